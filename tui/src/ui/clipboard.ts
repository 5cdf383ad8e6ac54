const largest = 74_000

/** The sequence by which a terminal that allows it puts a text in its clipboard (OSC 52); longer texts are cut. */
export function clipboard(text: string): string {
  return `\u001b]52;c;${Buffer.from(text.slice(0, largest)).toString('base64')}\u0007`
}
