import { pino } from 'pino'

/** The log of a process: JSON lines on standard error, standard output belongs to the person at the terminal. */
export const newLog = (level: string) =>
  pino(
    { level, redact: ['req.headers.authorization', 'req.headers["stripe-signature"]'] },
    pino.destination({ fd: 2, sync: false }),
  )

export type Log = ReturnType<typeof newLog>
