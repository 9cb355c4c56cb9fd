import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bootableImage } from '../support/bootable-image.ts';
import { attempt, type CommandResult, run } from '../support/command.ts';
import { digestOf } from '../support/images.ts';
import { Headwater } from './headwater.ts';

// Several hosts, each a network namespace with an LXD and an Incus of its own, around one registry.

const bridge = 'hw-crowd';
const network = '198.18.77';
const hosts = ['1', '2'];
const rounds = 8;
const daemons = fileURLToPath(new URL('../support/daemons.sh', import.meta.url));

/** A client on one of the hosts, with its daemon. */
class Member {
  readonly name: string;
  readonly #host: string;
  readonly #command: 'lxc' | 'incus';

  constructor(host: string, command: 'lxc' | 'incus') {
    this.name = `${command}-${host}`;
    this.#host = host;
    this.#command = command;
  }

  async attempt(...args: string[]): Promise<CommandResult> {
    return await onHost(this.#host, this.#command, args);
  }

  async run(...args: string[]): Promise<string> {
    const result = await this.attempt(...args);
    if (result.code === 0) return result.stdout;
    throw new Error(`${this.name} ${args.join(' ')}: ${result.code}\n${result.stdout}${result.stderr}`);
  }

  async join(headwater: Headwater): Promise<void> {
    const token = (await headwater.cli('token', 'create', this.name, '--join')).trim();
    await this.run('remote', 'add', 'registry', token);
  }
}

const members = hosts.flatMap((host) => [new Member(host, 'lxc'), new Member(host, 'incus')]);
const [lxcOne, incusOne, lxcTwo, incusTwo] = members as [Member, Member, Member, Member];

function directoryOf(host: string): string {
  return `/tmp/hw-crowd-${host}`;
}

/** Runs a program in the network of a host; all else, cgroups above all, is this machine's. */
async function onHost(host: string, program: string, args: string[]): Promise<CommandResult> {
  const directory = directoryOf(host);
  return await attempt('nsenter', [`--net=/run/netns/${bridge}-${host}`, program, ...args], {
    env: {
      HOME: path.join(directory, 'home'),
      LXD_DIR: path.join(directory, 'lxd'),
      INCUS_DIR: path.join(directory, 'incus'),
      SSL_CERT_FILE: path.join(directory, 'server.crt'),
    },
  });
}

async function makeNetwork(): Promise<void> {
  await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await run('ip', ['address', 'add', `${network}.1/24`, 'dev', bridge]);
  await run('ip', ['link', 'set', bridge, 'up']);
  for (const host of hosts) {
    const [space, outer, inner] = [`${bridge}-${host}`, `hwc-${host}-o`, `hwc-${host}-i`];
    await run('ip', ['netns', 'add', space]);
    await run('ip', ['link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', space]);
    await run('ip', ['link', 'set', outer, 'master', bridge, 'up']);
    await run('ip', ['-n', space, 'address', 'add', `${network}.1${host}/24`, 'dev', inner]);
    await run('ip', ['-n', space, 'link', 'set', inner, 'up']);
    await run('ip', ['-n', space, 'link', 'set', 'lo', 'up']);
  }
}

async function removeNetwork(): Promise<void> {
  for (const host of hosts) {
    await attempt('ip', ['netns', 'del', `${bridge}-${host}`]);
    // Daemons of a run that was killed keep the network that has the other end.
    await attempt('ip', ['link', 'del', `hwc-${host}-o`]);
  }
  await attempt('ip', ['link', 'del', bridge]);
}

let scratch: string;
let headwater: Headwater;

/** What the containers of one image say when they are asked which it is. */
type Marker = string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'headwater-crowd-'));
  await removeNetwork();
  await makeNetwork();
  // Its certificate names the address of the bridge, which is there by now.
  headwater = await Headwater.create({ registry: { keep: 100 } }, { HEADWATER_LISTEN_ADDRESS: '0.0.0.0' });
  await headwater.start();
  for (const host of hosts) {
    const up = await onHost(host, daemons, ['up', directoryOf(host)]);
    if (up.code !== 0) throw new Error(`the daemons of host ${host} do not run:\n${up.stdout}${up.stderr}`);
  }
  for (const member of members) await member.join(headwater);
});

afterAll(async () => {
  for (const host of hosts) await onHost(host, daemons, ['down', directoryOf(host)]);
  await headwater.remove();
  await removeNetwork();
  await rm(scratch, { recursive: true, force: true });
});

test('while hosts push and move an alias, every launch on the others gets a whole image, old or new', async () => {
  const alias = 'crowd/app';
  const pushed = new Map<string, Marker>();
  let pushing = true;

  /** Pushes an image and has the alias lead to it, as people do: two that do so at once may meet. */
  const push = async (member: Member, marker: Marker): Promise<void> => {
    const files = await bootableImage(path.join(scratch, marker), { marker });
    const fingerprint = await digestOf(...files);
    pushed.set(fingerprint, marker);
    await member.run('image', 'import', ...files);
    const copy = ['image', 'copy', fingerprint, 'registry:', '--mode', 'push', '--public', '--alias', alias];
    const copied = await member.attempt(...copy);
    // LXD looks for the alias, removes it and makes it: between two of these steps the other one was there.
    if (copied.code !== 0) expect(copied.stderr).toMatch(/already exists|not found/i);
  };

  const pushAll = async (member: Member): Promise<void> => {
    for (let round = 1; round <= rounds; round++) await push(member, `${member.name}-${round}`);
  };

  const launched = new Map<Member, Marker[]>();
  const launchAll = async (member: Member): Promise<void> => {
    const markers: Marker[] = [];
    launched.set(member, markers);
    while (pushing) {
      const name = `${member.name}-${markers.length}`;
      await member.run('launch', `registry:${alias}`, name);
      // From the disk: "exec" may lose what a program prints that ends at once.
      const marker = await member.run('file', 'pull', `${name}/etc/marker`, '-');
      const image = (await member.run('config', 'get', name, 'volatile.base_image')).trim();
      expect(marker).toBe(pushed.get(image));
      markers.push(marker);
      await member.run('delete', '--force', name);
      // A daemon would go on with the image it has.
      const kept = (await member.run('image', 'list', 'local:', '--format', 'csv', '--columns', 'F')).trim();
      await member.run('image', 'delete', ...kept.split('\n'));
    }
  };

  /** What hosts that know the server by simplestreams see. */
  const missing: string[] = [];
  const watchAll = async (): Promise<void> => {
    while (pushing) {
      const { products } = await headwater.document('pushed');
      const aliases = Object.values(products).flatMap((product) => product.aliases.split(','));
      if (!aliases.includes(alias)) missing.push(JSON.stringify(products));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  await push(lxcOne, 'first');
  await expect.poll(async () => Object.keys((await headwater.document('pushed')).products).length).toBe(1);
  const movers = Promise.all([pushAll(lxcOne), pushAll(incusTwo)]).finally(() => {
    pushing = false;
  });
  await Promise.all([movers, launchAll(incusOne), launchAll(lxcTwo), watchAll()]);

  const known = new Set(pushed.values());
  for (const member of [incusOne, lxcTwo]) {
    const markers = launched.get(member) ?? [];
    expect(markers.length).toBeGreaterThan(1);
    expect(markers.filter((marker) => !known.has(marker))).toEqual([]);
  }
  // Everything that was pushed is there, and the alias leads to one of the last.
  for (const fingerprint of pushed.keys()) {
    expect(await incusOne.run('image', 'info', `registry:${fingerprint}`)).toContain(fingerprint);
  }
  const final = await lxcTwo.run('image', 'show', `registry:${alias}`);
  expect(final).toMatch(new RegExp(`description: (${lxcOne.name}|${incusTwo.name})-${rounds}`));
  expect(missing).toEqual([]);
});
