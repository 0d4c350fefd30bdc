import { execFile } from 'node:child_process'
import { readFile, readlink, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The content of postmaster.pid: the server's process, its port, and whether it takes connections. */
export interface Postmaster {
  pid: number
  port: number
  isReady: boolean
}

/** Reads postmaster.pid of a data folder (lines 1, 4 and 8, as PostgreSQL's pidfile.h lists them); null when there is none yet. */
export async function readPidFile(pgDir: string): Promise<Postmaster | null> {
  const lines = (await readFile(join(pgDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0) return null
  return { pid, port: Number(lines[3] ?? 0), isReady: (lines[7] ?? '').startsWith('ready') }
}

export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Whether the process is the PostgreSQL server of this folder: the pid may belong to another process by now. */
export async function servesFolder(pid: number, pgDir: string): Promise<boolean> {
  if (!isProcessAlive(pid)) return false
  const folder = await realpath(pgDir)
  // The server's working directory is its data folder. Where there is no /proc, the command line names the folder.
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
  if (cwd !== null) return cwd === folder
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return stdout.includes(pgDir) || stdout.includes(folder)
}
