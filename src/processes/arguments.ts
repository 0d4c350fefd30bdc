import { parseArgs } from 'node:util'

/** What a child is told on its command line, where `ps` shows it. */
export interface ChildArguments {
  /** Which of the processes it is: "1", "2", ... */
  process: string
  /** It is there in place of one that has ended. */
  isReplacement: boolean
  /** The port to share; the one of the environment may be 0. */
  port: number
  /** Its parent's. */
  version: string
}

export const writeChildArguments = ({ process, isReplacement, port, version }: ChildArguments): string[] => [
  `--process=${process}`,
  `--port=${port}`,
  `--version=${version}`,
  ...(isReplacement ? ['--replacement'] : []),
]

/** Whether this process is a child of ours. One may be a worker of somebody else's node:cluster (of pm2, say) and is none. */
export const isChildOfGateway = (argv: readonly string[]): boolean => argv.some((word) => word.startsWith('--process='))

/** Throws for a command line that no parent has written. */
export function readChildArguments(argv: readonly string[]): ChildArguments {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      process: { type: 'string', default: '' },
      port: { type: 'string', default: '' },
      version: { type: 'string', default: '' },
      replacement: { type: 'boolean', default: false },
    },
  })
  const { process, port, version, replacement } = values
  return { process, port: Number(port), version, isReplacement: replacement }
}
