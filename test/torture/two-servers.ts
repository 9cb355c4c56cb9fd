import { Client } from './client.ts';
import type { Running } from './processes.ts';
import { type Kind, underLoad } from './trial.ts';

/** Somebody starts a second server on the same data directory by mistake; both are killed. */
export const twoServers: Kind = {
  event: async (site, random) => {
    const second = site.launch();
    const port = await portOf(second);
    const client = new Client(port, site.token);
    await underLoad(site, random, async () => {
      const answer = await client.get('/api/v1/products?limit=1');
      if (answer.status !== 200)
        throw new Error(`the second server: ${answer.status} ${answer.body.toString()}`);
      if (second.kill()) site.tally.kills++;
      await second.ended;
      await site.kill();
    });
    await client.close();
  },
};

async function portOf(server: Running): Promise<number> {
  return (JSON.parse(await server.firstLine()) as { port: number }).port;
}
