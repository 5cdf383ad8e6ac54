import { fileURLToPath } from 'node:url'

/** The folder of pyworker.py and client.py. */
export const pythonFolder = fileURLToPath(new URL('../interop/python/', import.meta.url))

/** Debian's Python undisturbed: nothing of another installation, and no compiled files in the source tree. */
export function pythonEnv(env: Readonly<Record<string, string>>): Record<string, string | undefined> {
  return {
    PYTHONPATH: undefined,
    PYTHONHOME: undefined,
    VIRTUAL_ENV: undefined,
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    C_FORCE_ROOT: '1',
    ...env,
  }
}
