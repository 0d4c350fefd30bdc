import express from 'express'
import { floWebhook } from 'flo-gateway-receiver/express'
import pg from 'pg'

const db = new pg.Pool({ connectionString: process.env.DATABASE_URL })
await db.query(`
  create table if not exists seen_deliveries (id uuid primary key, seen_at timestamptz not null default now());
  create table if not exists credits (client_user_id text primary key, credits int not null);
`)

const webhook = floWebhook({
  secret: process.env.FLO_SECRET,
  on: {
    'item.purchased': async ({ user, item }, { deliveryId }) => {
      const tx = await db.connect()
      try {
        await tx.query('begin')
        const { rowCount } = await tx.query('insert into seen_deliveries (id) values ($1) on conflict do nothing', [
          deliveryId,
        ])
        if (rowCount === 1)
          await tx.query(
            `insert into credits values ($1, $2)
               on conflict (client_user_id) do update set credits = credits.credits + excluded.credits`,
            [user.clientUserId, item.quantity],
          )
        await tx.query('commit')
      } catch (error) {
        await tx.query('rollback')
        throw error
      } finally {
        tx.release()
      }
    },
  },
})

express().post('/webhooks/flo', webhook).listen(process.env.PORT)
