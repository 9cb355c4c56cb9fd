import { gunzipSync } from 'node:zlib';
import { Agent, type Dispatcher } from 'undici';
import { onTestFinished } from 'vitest';
import { type Action, grant, type Role } from '../../../src/model/rights.ts';
import { certificateFor } from '../../support/certificates.ts';
import { EventsConnection, joinSecret } from '../../support/registry-client.ts';
import type { Thing, World } from './world.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Somebody who sends requests, and what that somebody may do by the rules. */
export interface Identity {
  name: string;
  /** `rejected` shows credentials that are not valid. */
  kind: 'nobody' | 'rejected' | 'token' | 'client';
  actions: readonly Action[];
  sees: readonly Thing[];
  isAdministrator: boolean;
  /** Limited neither to streams nor to names. */
  knowsAllStreams: boolean;
  /** @param body bytes as they are, anything else as JSON */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Listens to events. @throws Error with the status when that is refused */
  listen(): Promise<EventsConnection>;
}

const everything: Thing[] = ['public', 'own', 'privateStream', 'ownPush', 'privatePush', 'unnamed'];
const ownStream: Thing[] = ['public', 'own'];
const ownNames: Thing[] = ['public', 'own', 'ownPush'];

type Rights = { role?: Role; actions?: Action[]; streams?: string[]; names?: string[] };

/** Everybody whom the matrix has. */
export async function createIdentities(world: World): Promise<Identity[]> {
  const { server } = world;
  const { tokens, clients } = server.workspace.catalog;
  const plain = agentOf({});
  const nobody = {
    actions: [],
    sees: ['public'] as Thing[],
    isAdministrator: false,
    knowsAllStreams: false,
  };
  const sender =
    (agent: Agent, authorization?: string): Identity['send'] =>
    (method, path, body, headers = {}) =>
      send(agent, server.url(''), { method, path, authorization, body, headers });
  const listener =
    (tls: { cert?: string; key?: string }, authorization?: string): Identity['listen'] =>
    () =>
      EventsConnection.open(server.url('/1.0/events').replace('https:', 'wss:'), {
        ...tls,
        rejectUnauthorized: false,
        headers: authorization === undefined ? {} : { authorization },
      });
  const token = async (name: string, rights: Rights, sees: Thing[], scheme = 'Bearer') => {
    const { secret } = await tokens.create({ name, ...grant('api', rights, { pushedTo: 'pushed' }) });
    const shown = scheme === 'Basic' ? Buffer.from(`x:${secret}`).toString('base64') : secret;
    return {
      name: `token ${name}`,
      kind: 'token' as const,
      actions: rights.actions ?? [],
      sees,
      isAdministrator: isAll(rights),
      knowsAllStreams: rights.streams === undefined && rights.names === undefined,
      send: sender(plain, `${scheme} ${shown}`),
      listen: listener({}, `${scheme} ${shown}`),
    };
  };
  const client = async (name: string, rights: Rights, sees: Thing[]) => {
    const { cert, key } = await certificateFor(server);
    const agent = agentOf({ cert, key });
    const given = grant('join', rights, { pushedTo: 'pushed' });
    const body = { name: '', type: 'client', trust_token: await joinSecret(server, { name, ...rights }) };
    const { status } = await send(agent, server.url(''), {
      method: 'POST',
      path: '/1.0/certificates',
      authorization: undefined,
      body,
      headers: {},
    });
    if (status !== 201) throw new Error(`could not join: ${status}`);
    return {
      name: `client ${name}`,
      kind: 'client' as const,
      actions: given.actions,
      sees,
      isAdministrator: isAll(rights),
      knowsAllStreams: given.streams === undefined && given.names === undefined,
      send: sender(agent),
      listen: listener({ cert, key }),
    };
  };
  const list: Identity[] = [
    { name: 'nobody', kind: 'nobody', ...nobody, send: sender(plain), listen: listener({}) },
  ];
  for (const action of ['read', 'publish', 'remove', 'admin'] as const) {
    const actions = [action];
    list.push(await token(`${action} all`, { actions }, everything));
    list.push(await token(`${action} stream`, { actions, streams: ['tenanta'] }, ownStream));
    list.push(await token(`${action} names`, { actions, names: ['zqown*'] }, ownNames));
  }
  const both = { actions: ['publish', 'remove'] as Action[], streams: ['tenanta'] };
  list.push(await token('basic', both, ownStream, 'Basic'));
  list.push(await client('reader', { role: 'read', streams: ['tenanta'] }, ownStream));
  list.push(await client('pusher names', { role: 'publish', names: ['zqown/*'] }, ['public', 'ownPush']));
  list.push(await client('pusher', { role: 'publish' }, ['public', 'ownPush', 'privatePush', 'unnamed']));
  list.push(await client('administrator names', { role: 'admin', names: ['zqown*'] }, ownNames));
  list.push(await client('administrator', { role: 'admin' }, everything));
  const revokedClient = await client('revoked', { role: 'admin' }, everything);
  await clients.revoke('revoked');
  list.push({ ...revokedClient, kind: 'nobody', ...nobody });
  const revoked = await token('revoked token', { actions: ['admin'] }, everything);
  await tokens.revoke('revoked token');
  list.push({ ...revoked, ...nobody, kind: 'rejected' });
  const expiresAt = new Date(Date.now() - 1000);
  const { secret } = await tokens.create({ name: 'expired', actions: ['admin'], expiresAt });
  for (const [name, text] of [
    ['expired token', secret],
    ['garbage token', 'hw_garbage'],
  ] as const) {
    const authorization = `Bearer ${text}`;
    const means = { send: sender(plain, authorization), listen: listener({}, authorization) };
    list.push({ name, ...nobody, kind: 'rejected', ...means });
  }
  return list;
}

function isAll({ role, actions = [], streams, names }: Rights): boolean {
  return (role === 'admin' || actions.includes('admin')) && streams === undefined && names === undefined;
}

function agentOf(tls: { cert?: string; key?: string }): Agent {
  const agent = new Agent({ connect: { ...tls, rejectUnauthorized: false } });
  onTestFinished(() => agent.destroy());
  return agent;
}

async function send(
  agent: Agent,
  origin: string,
  request: {
    method: string;
    path: string;
    authorization: string | undefined;
    body: unknown;
    headers: Record<string, string>;
  },
): Promise<Answer> {
  const { method, path, authorization, body } = request;
  const isJson = body !== undefined && !Buffer.isBuffer(body);
  const response = await agent.request({
    origin,
    path,
    method: method as Dispatcher.HttpMethod,
    // Otherwise the library ends a connection after HEAD, and there are thousands.
    reset: false,
    headers: {
      'accept-encoding': 'gzip',
      ...(isJson ? { 'content-type': 'application/json' } : {}),
      ...(authorization === undefined ? {} : { authorization }),
      ...request.headers,
    },
    ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : (body as Buffer) }),
  });
  const bytes = Buffer.from(await response.body.arrayBuffer());
  const headers = response.headers as Record<string, string>;
  const coding = bytes.length === 0 ? undefined : headers['content-encoding'];
  const decoded = coding === 'gzip' ? gunzipSync(bytes) : bytes;
  return { status: response.statusCode, headers, body: decoded.toString('latin1') };
}
