// What is published: .js and .d.ts of src in dist. `npm pack` and `npm publish` call it; tsc comes from the project around.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

process.chdir(import.meta.dirname)
rmSync('dist', { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.json'], { stdio: 'inherit', shell: process.platform === 'win32' })

// tsc turns `./x.ts` into `./x.js` in the .js files alone; in a .d.ts it would lead tools other than tsc to a file that is not there.
for (const name of readdirSync('dist').filter((name) => name.endsWith('.d.ts'))) {
  const file = `dist/${name}`
  writeFileSync(file, readFileSync(file, 'utf8').replace(/(from |import\()(['"]\.\/[^'"]+)\.ts(['"])/g, '$1$2.js$3'))
}
