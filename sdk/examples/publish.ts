import { appEvents } from 'flo-gateway-receiver/app-events'

const { publish, publishAll } = appEvents({
  baseUrl: process.env.FLO_GATEWAY ?? 'http://127.0.0.1:8080',
  apiKey: process.env.FLO_API_KEY,
})

// From your own database: published again, it must be exactly the same event.
const login = { id: 4711, userId: 'user_123', at: '2026-06-06T14:00:00+02:00', ip: '203.0.113.7' }
const { type, state } = await publish(
  {
    type: 'user.login',
    clientUserId: login.userId,
    data: { at: login.at, ip: login.ip, user_agent: null },
  },
  { idempotencyKey: `login-${login.id}` },
)
console.log(`${type} is ${state}`)

const members = ['grace@example.com', 'alan@example.com'].map((email, n) => ({
  type: 'team_member.added' as const,
  clientUserId: 'user_123',
  data: { id: `member_${n}`, email, role: 'developer' },
}))
console.log(`${(await publishAll(members)).length} members told`)
