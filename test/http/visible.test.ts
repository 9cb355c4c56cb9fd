import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Router } from '@koa/router';
import { expect, onTestFinished, test } from 'vitest';
import { type ApplicationServices, createApplication } from '../../src/http/application.ts';

/** An application with one route, that answers when `visible` has resolved. @returns the URL of the route */
async function serve(visible: () => Promise<void>): Promise<string> {
  const api = new Router();
  api.all('/api/v1/thing', (context) => {
    context.status = 204;
  });
  const parts = {
    api,
    visible,
    registry: async (_: unknown, next: () => Promise<void>) => await next(),
    plainIsLimited: false,
    sinks: { onDefect: (error: unknown) => expect.unreachable(String(error)) },
  };
  const server = createServer(createApplication(parts as unknown as ApplicationServices));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/thing`;
}

test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('%s is answered when its change shows', async (method) => {
  const steps: string[] = [];
  const url = await serve(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    steps.push('visible');
  });
  const { status } = await fetch(url, { method });
  steps.push('answered');
  expect({ status, steps }).toEqual({ status: 204, steps: ['visible', 'answered'] });
});

test.each(['GET', 'HEAD'])('%s waits for nothing', async (method) => {
  const url = await serve(() => expect.unreachable('it waited'));
  expect((await fetch(url, { method })).status).toBe(204);
});
