import { identityOf, type Routes } from '../context.ts';
import { sync } from './envelope.ts';

/** What a server says of itself to the clients of LXD and Incus. */
export interface ServerInformation {
  /** Unlike that of every other server: clients refuse to copy between two of one name and certificate. */
  name: string;
  version: string;
  /** `host:port`, where the daemons of clients may reach it too. */
  addresses: () => string[];
  /** Undefined where a proxy does TLS. */
  certificate: () => { files: { certificate: string }; fingerprint: string } | undefined;
}

// What is advertised is what clients then rely on. Left out on purpose: `projects` and `images_all_projects`, of which
// there are none; `api_filtering`, so that clients filter themselves; `explicit_trust_token`, with which LXD would no
// longer take a shared secret; `image_registries`, with which LXD would refuse to push.
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
      // A client would take a public server for one that cannot be written to.
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
        // Images of any architecture are kept here; nothing runs.
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
