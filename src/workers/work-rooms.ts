export const WORK_ROOMS = ['normalize', 'deliver', 'hydrate', 'backfill', 'replay', 'erase', 'route'] as const

/** A room of the role `work`, as wakes, jobs and notices name it. */
export type WorkRoom = (typeof WORK_ROOMS)[number]

export const isWorkRoom = (name: string | undefined): name is WorkRoom => WORK_ROOMS.includes(name as WorkRoom)
