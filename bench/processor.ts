import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** Of Linux, on every machine of ours. */
const TICKS_PER_SECOND = 100

const NOT_THERE = { parent: '', ticks: [] as number[] }

/** [user, system, user of ended children, system of ended children] and the parent, of a process that may just have ended. */
function cpuTimes(pid: string): typeof NOT_THERE {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { parent: fields[1] ?? '', ticks: fields.slice(11, 15).map(Number) }
  } catch {
    return NOT_THERE
  }
}

const childrenOf = (pid: number): string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name) && cpuTimes(name).parent === String(pid))

/** Processor seconds that a process and its children have used so far; NaN where there is no /proc. */
export function processorSeconds(pid: number): number {
  if (!existsSync('/proc/self/stat')) return Number.NaN
  const children = childrenOf(pid).map((child) => cpuTimes(child).ticks.slice(0, 2))
  return [cpuTimes(String(pid)).ticks, ...children].flat().reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND
}

/** Memory that a process and its children occupy now; NaN where there is no /proc. */
export function residentMb(pid: number): number {
  if (!existsSync('/proc/self/stat')) return Number.NaN
  const kilobytes = [String(pid), ...childrenOf(pid)].map(residentKilobytes)
  return Math.round(kilobytes.reduce((sum, each) => sum + each, 0) / 1024)
}

function residentKilobytes(pid: string): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
