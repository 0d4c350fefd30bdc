import { printEventIn, printEventOut, printIgnored, printProblem, printRefused } from './screen.ts'
import type { Stage } from './stage.ts'
import type { Step } from './story.ts'

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

/** Sends one event of the story, shows what comes of it, and compares with what has to. */
export async function playStep(stage: Stage, { event, expect, florentin = [], twist }: Step): Promise<PlayedStep> {
  const problems: string[] = []
  const result: PlayedStep = { answered: 'accepted', verified: 0, latencies: [], retried: 0, problems }
  stage.setEndpointDown(twist === 'endpoint_down')
  const answer = await stage.postEvent(event, { forged: twist === 'forged' })
  printEventIn(event.type, twist ? remarks[twist] : '', answer)

  if (twist === 'forged') {
    printIgnored(answer.error?.code ?? '?', 'nobody but Stripe knows the signing secret.')
    if (answer.status !== 400) problems.push(`a forged event was answered ${answer.status}`)
    result.answered = 'refused'
  } else if (answer.status !== 200) problems.push(`${event.type} was answered ${answer.status}`)
  else if (twist === 'sent_again') {
    printIgnored('duplicate', 'this event is known, what it tells is delivered once.')
    if (!answer.duplicate) problems.push(`${event.type} was not recognised as a duplicate`)
    result.answered = 'duplicate'
  } else {
    const { state, reason, told } = await stage.awaitOutcome(event)
    for (const { contract, eventType, arrivals } of told) {
      const last = arrivals.at(-1)
      if (!last || last.checks.some(({ refusal }) => refusal)) {
        problems.push(`${eventType} of ${contract} ${last ? 'could not be verified' : 'did not arrive'}`)
        continue
      }
      for (const earlier of arrivals.slice(0, -1)) printRefused(contract, earlier, earlier.at - answer.postedAt)
      printEventOut(contract, last, last.at - answer.postedAt)
      result.verified += 1
      if (arrivals.length > 1) result.retried += 1
      else result.latencies.push(last.at - answer.postedAt)
    }
    if (state === 'ignored') printIgnored(reason?.code ?? '', reason?.message ?? '')
    for (const [contract, types] of Object.entries({ flo: expect, florentin })) {
      const heard = told.filter((one) => one.contract === contract).map(({ eventType }) => eventType)
      if (heard.join() !== types.join())
        problems.push(
          `${event.type} is ${state} and told ${contract} ${listText(heard)}; expected was ${listText(types)}`,
        )
    }
  }
  for (const problem of problems) printProblem(problem)
  return result
}

const remarks = {
  sent_again: 'once more, as Stripe does when an answer is lost',
  endpoint_down: 'while the endpoint answers 503',
  forged: 'forged by somebody else',
}
export type Twist = keyof typeof remarks

const listText = (types: string[]) => (types.length > 0 ? types.join(', ') : 'nothing')
