import { printEventIn, printEventOut, printIgnored, printProblem, printRefused } from './screen.ts'
import type { EventOutcome, Stage } from './stage.ts'
import type { Step, Twist } from './story.ts'

/** What one step of the story came to. */
export interface PlayedStep {
  answered: 'accepted' | 'duplicate' | 'refused'
  /** Events that arrived and were accepted by every verifier. */
  verified: number
  /** Milliseconds from Stripe's POST to the endpoint, of what arrived at the first attempt. */
  latencies: number[]
  retried: number
  problems: string[]
}

type PostAnswer = Awaited<ReturnType<Stage['postEvent']>>

/** Sends one event of the story, shows what comes of it, and compares with what should. */
export async function playStep(stage: Stage, step: Step): Promise<PlayedStep> {
  const { event, twist } = step
  stage.setEndpointDown(twist === 'endpoint_down')
  const answer = await stage.postEvent(event, { forged: twist === 'forged' })
  printEventIn(event.type, twist ? remarks[twist] : '', answer)
  const played = await judgeAnswer(stage, step, answer)
  for (const problem of played.problems) printProblem(problem)
  return played
}

async function judgeAnswer(stage: Stage, step: Step, answer: PostAnswer): Promise<PlayedStep> {
  const { event, twist } = step
  const played: PlayedStep = { answered: 'accepted', verified: 0, latencies: [], retried: 0, problems: [] }
  if (twist === 'forged') {
    printIgnored(answer.error?.code ?? '?', 'nobody but Stripe knows the signing secret.')
    if (answer.status !== 400) played.problems.push(`a forged event was answered ${answer.status}`)
    return { ...played, answered: 'refused' }
  }
  if (answer.status !== 200) {
    played.problems.push(`${event.type} was answered ${answer.status}`)
    return played
  }
  if (twist === 'sent_again') {
    printIgnored('duplicate', 'this event has arrived before: its events are delivered once.')
    if (!answer.duplicate) played.problems.push(`${event.type} was not recognised as a duplicate`)
    return { ...played, answered: 'duplicate' }
  }
  const outcome = await stage.awaitOutcome(event)
  addDeliveries(played, outcome, answer.postedAt)
  if (outcome.state === 'ignored') printIgnored(outcome.reason?.code ?? '', outcome.reason?.message ?? '')
  played.problems.push(...unexpectedEvents(step, outcome))
  return played
}

function addDeliveries(played: PlayedStep, { events }: EventOutcome, postedAt: number): void {
  for (const { contract, eventType, arrivals } of events) {
    const last = arrivals.at(-1)
    if (!last || last.checks.some(({ refusal }) => refusal)) {
      played.problems.push(`${eventType} of ${contract} ${last ? 'could not be verified' : 'did not arrive'}`)
      continue
    }
    for (const earlier of arrivals.slice(0, -1)) printRefused(contract, earlier, earlier.at - postedAt)
    printEventOut(contract, last, last.at - postedAt)
    played.verified += 1
    if (arrivals.length > 1) played.retried += 1
    else played.latencies.push(last.at - postedAt)
  }
}

function unexpectedEvents({ event, expect, florentin = [] }: Step, { state, events }: EventOutcome): string[] {
  return Object.entries({ flo: expect, florentin }).flatMap(([contract, expected]) => {
    const types = events.filter((one) => one.contract === contract).map(({ eventType }) => eventType)
    if (types.join() === expected.join()) return []
    return [`${event.type} is ${state} and became ${listText(types)} of ${contract}, not ${listText(expected)}`]
  })
}

const remarks: Record<Twist, string> = {
  sent_again: 'once more, as Stripe does when an answer is lost',
  endpoint_down: 'while the endpoint answers 503',
  forged: 'forged by somebody else',
}

const listText = (types: string[]) => (types.length > 0 ? types.join(', ') : 'nothing')
