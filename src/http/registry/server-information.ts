import { identityOf, type Routes } from '../context.ts';
import { sync } from './envelope.ts';

/** The description of the server for LXD and Incus clients. */
export interface ServerInformation {
  /** Unique: clients refuse to copy between two servers with the same name and certificate. */
  name: string;
  version: string;
  /** `host:port`, where the daemons of clients can also reach it. */
  addresses: () => string[];
  /** Undefined if a proxy terminates TLS. */
  certificate: () => { files: { certificate: string }; fingerprint: string } | undefined;
}

// Clients rely on what is advertised. Omitted on purpose: `projects` and `images_all_projects`, of which there are
// none; `api_filtering`, so that clients filter themselves; `explicit_trust_token`, with which LXD would no longer take
// a shared secret; `image_registries`, with which LXD would refuse to push.
const extensions = [
  'etag',
  'patch',
  'image_create_aliases',
  'image_types',
  'image_copy_profile',
  'image_force_refresh',
];

/** `GET /` and `GET /1.0`, with which every command of a client begins. */
export function serverRoutes(router: Routes, { information }: { information: ServerInformation }): void {
  router.get('/', (context) => {
    sync(context, ['/1.0']);
  });

  router.get('/1.0', (context) => {
    const identity = identityOf(context);
    const common = {
      config: {},
      api_extensions: extensions,
      api_status: 'stable',
      api_version: '1.0',
      auth: identity === undefined ? 'untrusted' : 'trusted',
      // A client would treat a public server as read-only.
      public: false,
      auth_methods: ['tls'],
    };
    if (identity === undefined) {
      sync(context, common);
      return;
    }
    const certificate = information.certificate();
    sync(context, {
      ...common,
      environment: {
        addresses: information.addresses(),
        // The server stores images of any architecture, and runs nothing.
        architectures: ['x86_64', 'aarch64', 'armv7l', 'i686', 'ppc64le', 'riscv64', 's390x'],
        ...(certificate === undefined
          ? {}
          : { certificate: certificate.files.certificate, certificate_fingerprint: certificate.fingerprint }),
        project: 'default',
        server: 'headwater',
        server_clustered: false,
        server_name: information.name,
        server_version: information.version,
      },
    });
  });
}
