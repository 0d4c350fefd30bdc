import type { Happening } from './world.ts'

// Stripe renders an object when it sends the event, not when it happened: the events of one moment show the same last state.

/** What lies so close together has happened by the time the first of its events is sent. */
const MOMENT_SECONDS = 2

/**
 * The same happenings as Stripe tells them where it renders objects when it sends their events: those of one moment share its
 * last second and show each object in its last state, and several updates of an object are one, from the first state to the last.
 */
export function asRenderedWhenSent(happenings: readonly Happening[]): Happening[] {
  return momentsOf(happenings).flatMap((moment) => {
    const created = Math.max(...moment.map((one) => one.created))
    return mergeUpdates(moment).map((one) => ({ ...one, created, after: lastOf(moment, one).after }))
  })
}

const isSameObject = (one: Happening, { after }: Happening) =>
  after.id !== null && one.after.kind === after.kind && one.after.id === after.id

const lastOf = (moment: readonly Happening[], one: Happening): Happening =>
  moment.findLast((other) => isSameObject(other, one)) ?? one

/** Each object's updates of a moment as one, which Stripe sends before what else it tells of what came of the object. */
function mergeUpdates(moment: readonly Happening[]): Happening[] {
  const isUpdate = ({ type }: Happening) => type.endsWith('.updated')
  const firstUpdateOf = (one: Happening) => moment.find((other) => isUpdate(other) && isSameObject(other, one))
  const merged = new Set<Happening>()
  for (const one of moment) {
    const update = one.type.endsWith('.created') ? undefined : firstUpdateOf(one)
    if (update) merged.add(update)
    if (!isUpdate(one)) merged.add(one)
  }
  return [...merged]
}

/** Runs of happenings, each within a moment of its first. */
function momentsOf(happenings: readonly Happening[]): Happening[][] {
  const moments: Happening[][] = []
  for (const happening of happenings) {
    const moment = moments.at(-1)
    const first = moment?.[0]
    if (moment && first && happening.at - first.at <= MOMENT_SECONDS) moment.push(happening)
    else moments.push([happening])
  }
  return moments
}
