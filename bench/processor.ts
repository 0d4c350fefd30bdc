import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** Of Linux, on every machine of ours. */
const TICKS_PER_SECOND = 100

/** [user, system, user of ended children, system of ended children] and the parent, of a process that may just have ended. */
function cpuTimes(pid: string): { parent: string; ticks: number[] } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { parent: fields[1] ?? '', ticks: fields.slice(11, 15).map(Number) }
  } catch {
    return undefined
  }
}

/** Processor seconds that a process and its children have used so far; NaN where there is no /proc. */
export function processorSeconds(pid: number): number {
  if (!existsSync('/proc/self/stat')) return Number.NaN
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => cpuTimes(name) ?? [])
    .filter(({ parent }) => parent === String(pid))
    .map(({ ticks: [user = 0, system = 0] }) => user + system)
  const own = cpuTimes(String(pid))?.ticks ?? []
  return [...own, ...children].reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND
}
