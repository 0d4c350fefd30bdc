import { readFileSync } from 'node:fs'

/** The gateway's, as package.json says. */
export const version: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/**
 * The first Node of each long-term line without a known hole that a request from outside can use. From the security releases
 * of 22 October 2026, CVE-2026-111497; raised with each later one.
 */
export const PATCHED_NODES = ['24.22.1', '26.12.1'] as const

/** Whether `node`, as in `process.versions.node`, is at least the patched release of its line, or of a later line than all. */
export function isPatchedNode(node: string): boolean {
  const [major, ...rest] = numbersOf(node)
  const floor = PATCHED_NODES.map(numbersOf).find(([line]) => line === major)
  if (!floor) return major > Math.max(...PATCHED_NODES.map((patched) => numbersOf(patched)[0]))
  const [, minor, patch] = floor
  const [ownMinor = 0, ownPatch = 0] = rest
  return ownMinor > minor || (ownMinor === minor && ownPatch >= patch)
}

function numbersOf(node: string): [major: number, minor: number, patch: number] {
  const [major = 0, minor = 0, patch = 0] = node.split('.').map((part) => Number.parseInt(part, 10))
  return [major, minor, patch]
}
