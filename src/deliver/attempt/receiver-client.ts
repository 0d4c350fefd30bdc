import type { Socket } from 'node:net'
import { Agent, type buildConnector, Client, type Dispatcher, Pool } from 'undici'
import { type AnswerFilter, filterAnswers } from './answer-filter.ts'

/** The one connection that an undici client has, as far as an attempt needs to know of it. */
export interface ReceiverConnection {
  /** Answers over the present connection; null: there is none yet. */
  answers: AnswerFilter | null
  /** The name whose addresses are being looked up; null: none. */
  lookingUp: string | null
  /** On whose behalf it is being opened. */
  clientId: string
}

/** Opens a connection on behalf of the client that `connection` names, and tells there how far it has come. */
export type GuardedConnect = (
  options: buildConnector.Options,
  connection: ReceiverConnection,
  onConnect: buildConnector.Callback,
) => void

/** An attempt's side of a request: undici's handler, and the connection that it is given. */
export interface AttemptHandler extends Dispatcher.DispatchHandler {
  readonly clientId: string
  /** Called when it is decided which connection will carry the request; it may have to be opened. */
  onConnectionChosen(connection: ReceiverConnection): void
}

/**
 * An agent whose connections are opened by `connect` and read through a filter. `keepAlive: false` opens one for each request.
 */
export function createReceiverAgent(connect: GuardedConnect, { keepAlive }: { keepAlive: boolean }): Agent {
  // A deadline watch limits the whole attempt; undici's two timers per request would restart with each chunk.
  const options = { headersTimeout: 0, bodyTimeout: 0, allowH2: false, pipelining: keepAlive ? 1 : 0 }
  return new Agent({
    ...options,
    factory: (origin) =>
      new Pool(origin, { ...options, factory: (poolOrigin) => createReceiverClient(connect, poolOrigin, options) }),
  })
}

function createReceiverClient(connect: GuardedConnect, origin: URL, options: Client.Options): Client {
  const connection: ReceiverConnection = { answers: null, lookingUp: null, clientId: '' }
  const client = new Client(origin, {
    ...options,
    connect(target: buildConnector.Options, onConnect: buildConnector.Callback) {
      connection.answers = null
      connect(target, connection, (...[error, socket]: Parameters<buildConnector.Callback>) => {
        if (error) return onConnect(error, null)
        connection.answers = filterAnswers(socket as Socket)
        onConnect(null, socket as Socket)
      })
    },
  })
  const dispatch = client.dispatch.bind(client)
  client.dispatch = (request, handler) => {
    const attempt = handler as AttemptHandler
    connection.clientId = attempt.clientId
    attempt.onConnectionChosen(connection)
    return dispatch(request, handler)
  }
  return client
}
