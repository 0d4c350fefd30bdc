import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const TAIL_BYTES = 4000
let opened = 0

/** A file for what a process writes to standard error, as in operation; it has no name and is gone with the last who holds it open. */
export function openLogFile() {
  const path = join(tmpdir(), `flo-gateway-bench-${process.pid}-${++opened}.log`)
  const fd = openSync(path, 'w+')
  unlinkSync(path)
  return {
    fd,
    size: () => fstatSync(fd).size,
    /** Its end, for whoever wants to know why a process ended. */
    readTail(): string {
      const { size } = fstatSync(fd)
      const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES))
      readSync(fd, bytes, 0, bytes.length, size - bytes.length)
      return bytes.toString()
    },
    close: () => closeSync(fd),
  }
}
