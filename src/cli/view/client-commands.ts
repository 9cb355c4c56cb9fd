import { isPushed } from '../../catalog/products/ownership.ts';
import { keysOf } from '../../model/keys-of.ts';
import { imagePath } from '../../simplestreams/write/paths.ts';
import type { ImageView, VersionView } from './version-view.ts';

/** A version to use, and where it is. */
export interface UsedVersion {
  version: VersionView;
  /** `Product.place`: where the files of the product are. */
  place?: string;
  /** The URL of the server for clients, without a slash at the end. */
  server: string;
}

/** The commands for a client; `reason` says why a version has none. */
export interface ClientCommands {
  /** Once for each client. */
  setup: string[];
  use: { command: string } | { reason: string };
}

/** The name of the container or machine in commands. */
const name = 'c1';
/** The name of the server in the configuration of clients. */
const remote = 'headwater';

const clients = {
  lxc: (used) => launch('lxc', used),
  incus: (used) => launch('incus', used),
  'lxc-download': lxcDownload,
  systemd: systemdPull,
} as const satisfies Record<string, (used: UsedVersion) => ClientCommands>;

/** A client, as the option `--for` names it. */
export type ClientName = keyof typeof clients;

/** All clients. */
export const clientNames: readonly ClientName[] = keysOf(clients);

/** The commands with which a client uses a version. */
export function commandsFor(client: ClientName, used: UsedVersion): ClientCommands {
  return clients[client](used);
}

function launch(program: 'lxc' | 'incus', { version, server }: UsedVersion): ClientCommands {
  const setup = [`${program} remote add ${remote} ${server} --protocol simplestreams --public`];
  const [image] = version.images;
  if (image === undefined) return { setup, use: { reason: 'it has no image' } };
  const [alias] = version.newest ? version.aliases : [];
  const options = image.type === 'virtual-machine' ? ' --vm' : '';
  return {
    setup,
    use: { command: `${program} launch ${remote}:${alias ?? image.fingerprint} ${name}${options}` },
  };
}

/** The template of LXC takes the newest version of a product (docs/lxc.md). */
function lxcDownload({ version, server }: UsedVersion): ClientCommands {
  const { os, release, architecture, variant } = version;
  const refuse = (reason: string) => ({ setup: [], use: { reason } });
  if (isPushed(version))
    return refuse('LXC names images by distribution and release, which pushed images lack');
  if (!version.newest) return refuse('LXC finds the newest version of a product only');
  if (tarballOf(version) === undefined) return refuse('it has no root tarball');
  const image = `-d ${os} -r ${release} -a ${architecture}${variant === 'default' ? '' : ` --variant ${variant}`}`;
  const address = server.replace(/^https?:\/\//, '');
  return { setup: [], use: { command: `lxc-create -n ${name} -t download -- --server ${address} ${image}` } };
}

function systemdPull({ version, place, server }: UsedVersion): ClientCommands {
  const tarball = tarballOf(version);
  const image = tarball ?? version.images.find(({ file }) => file === 'disk.qcow2');
  if (image === undefined) return { setup: [], use: { reason: 'it has neither a root tarball nor a disk' } };
  const path = imagePath(
    { ...version, ...(place === undefined ? {} : { place }) },
    version.serial,
    image.file,
  );
  const verb = tarball === undefined ? 'pull-raw' : 'pull-tar';
  return {
    setup: [],
    use: { command: `importctl ${verb} --class=machine --verify=checksum ${server}/${path} ${name}` },
  };
}

function tarballOf({ images }: VersionView): ImageView | undefined {
  return images.find(({ file }) => /^rootfs\.tar(\.|$)/.test(file));
}
