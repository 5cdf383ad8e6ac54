setInterval(()=>{},1000)
import { PtySession } from '/work/main/test/tui/helpers/pty.ts'
const p = new PtySession({ args: ['--no-app','--no-history'], cwd: '/work/main/test/tui/repl/fixtures', columns: 80, rows: 24 })
try {
console.log('prompt', await p.until('ts>'))
p.type('1 + 1\r'); console.log('first', await p.until(s => /^2$/m.test(s.text())))
p.type('const x = [1, 2, 3].map((v) => {\r'); await p.until('…')
p.type('return v * 2\r'); p.type('})\rx\r'); await p.until('[ 2, 4, 6 ]')
p.type('while (true);\r'); await new Promise(r=>setTimeout(r,400)); p.type('\x03'); console.log('int', await p.until('interrupted'))
p.type('x.le\t'); await p.until('x.length')
await new Promise(r=>setTimeout(r,200)); 
p.type('\r'); 
p.type('Math.s'); p.type('\t'); await new Promise(r=>setTimeout(r,200)); 
p.type('\t'); await new Promise(r=>setTimeout(r,200)); console.log(p.screen.text())
p.type('\r'); await new Promise(r=>setTimeout(r,200)); p.type('\x03'); 
p.type('console.log("a\\nb"); process.stdout.write("partial"); throw new Error("bad")\r'); await p.until('bad')
p.type('\x1b[A'); await new Promise(r=>setTimeout(r,200)); 
p.type('\x03')
p.type('process.exit(3)\r'); await p.until('restarted'); p.type('5 * 5\r'); await p.until('25'); 
p.type('add?\r.examples\r.exi\t'); await new Promise(r=>setTimeout(r,300)); 
p.type('\r'); 
} catch (e) { console.log(e) }
await new Promise(r=>setTimeout(r,300))
console.log(p.screen.text()); 
console.log(await Promise.race([p.exitCode, new Promise(r=>setTimeout(r,2000,'no exit'))]))
await p.end()
process.exit()
