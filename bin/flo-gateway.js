#!/usr/bin/env node
// The command line on whatever Node the shell has: one that cannot run TypeScript hands over to the Node that npm installed.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const file = (path) => fileURLToPath(new URL(path, import.meta.url))
if (process.features.typescript) {
  const { runCommandLine } = await import('../src/cli/flo-gateway.ts')
  await runCommandLine(process.argv.slice(2))
} else {
  const args = [file('../src/cli/flo-gateway.ts'), ...process.argv.slice(2)]
  const { status, error } = spawnSync(file('../node_modules/.bin/node'), args, { stdio: 'inherit' })
  if (error)
    process.stderr.write(`Node 24 is not where npm puts it (${error.code}): run npm ci in the checkout first.\n`)
  process.exitCode = status ?? 2
}
