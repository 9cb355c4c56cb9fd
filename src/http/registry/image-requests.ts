import { machine } from 'node:os';
import * as z from 'zod';
import type { Known } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseArchitecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import { parseAlias } from '../../model/names.ts';
import { parseExpiry, plainName } from '../../registry/image-view.ts';
import { type ImagePull, Pull, type PullSource } from '../../registry/incoming/pull.ts';
import type { PushTickets } from '../../registry/incoming/push-tickets.ts';
import type { ImageRequest } from '../../registry/incoming/receiver.ts';
import { SimplestreamsPull } from '../../registry/incoming/simplestreams-pull.ts';
import { readBody } from '../api/body.ts';
import { type Context, identityOf } from '../context.ts';
import { actorOf } from '../identify.ts';
import { started } from './envelope.ts';
import type { RegistryServices } from './services.ts';
import { agentArchitecture } from './uploads/upload-headers.ts';

const text = z.string().default('');

/** The body of `POST /1.0/images` when it is not an image (`api.ImagesPost` of LXD and Incus). */
const imageRequest = z.object({
  filename: text,
  public: z.boolean().default(false),
  auto_update: z.boolean().default(false),
  properties: z.record(z.string(), z.string()).nullish(),
  expires_at: z.string().optional(),
  profiles: z.array(z.string()).nullish(),
  aliases: z.array(z.object({ name: z.string(), description: text })).nullish(),
  source: z.object({
    type: text,
    mode: text,
    fingerprint: text,
    alias: text,
    server: text,
    protocol: text,
    certificate: text,
    secret: text,
    project: text,
    image_type: text,
  }),
});

type IncomingServices = Pick<
  RegistryServices,
  'access' | 'operations' | 'receiver' | 'pulls' | 'imageServers'
>;

/** Answers a request for an image: one that a daemon will push, or one to be pulled from a daemon or an image server. */
export async function requestImage(
  context: Context,
  services: IncomingServices & { tickets: PushTickets },
): Promise<void> {
  const { access, receiver, tickets } = services;
  const identity = access.demandAny(identityOf(context), 'publish');
  const { source, ...request } = await readBody(context.req, imageRequest);
  const said = toImageRequest(request);
  receiver.permit(identity, said.aliases);
  if (source.type === 'url') {
    throw new HeadwaterError(
      'invalid',
      'images are not downloaded from URLs: download the image yourself, and use "image import"',
    );
  }
  if (source.type !== '' && source.type !== 'image') {
    throw new HeadwaterError(
      'invalid',
      `there are no instances here to publish (source.type ${JSON.stringify(source.type)}): publish on your own server, then use "image copy --mode push"`,
    );
  }
  if (source.mode === 'push') {
    const fingerprint = source.fingerprint.toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
      throw new HeadwaterError('invalid', 'source.fingerprint: expected 64 hexadecimal digits');
    }
    started(context, tickets.issue(identity, { ...said, fingerprint }));
    return;
  }
  if (source.mode !== 'pull' && source.mode !== '') {
    throw new HeadwaterError('invalid', `source.mode ${JSON.stringify(source.mode)}: expected push or pull`);
  }
  pullImage(context, { identity, said, pull: openPull(context, source, services) }, services);
}

/** Starts to copy an image from a daemon or an image server. */
function pullImage(
  context: Context,
  { identity, said, pull }: { identity: Known; said: ImageRequest; pull: ImagePull },
  { access, operations, receiver }: IncomingServices,
): void {
  const actor = actorOf(access, identity, context.req);
  const operation = operations.start({
    description: 'Downloading image',
    identity,
    work: async (progressing) => {
      const { signal } = progressing;
      const onProgress = (progress: string) => progressing.report({ download_progress: progress });
      const source = await pull.open(signal, onProgress);
      try {
        const request: ImageRequest = {
          ...said,
          properties: { ...source.properties, ...said.properties },
          filename: said.filename || plainName(source.filename),
          ...defined({
            expiresAt: said.expiresAt ?? source.expiresAt,
            fingerprint: source.fingerprint,
            updateSource: said.autoUpdate ? source.updateSource : undefined,
          }),
        };
        const image = await receiver.receive(source.files, request, { identity, actor, signal });
        return { fingerprint: image.fingerprint, size: String(image.size) };
      } finally {
        await pull.close();
      }
    },
  });
  started(context, operation);
}

function openPull(
  context: Context,
  source: PullSource,
  { pulls, imageServers }: Pick<RegistryServices, 'pulls' | 'imageServers'>,
): ImagePull {
  if (source.protocol !== 'simplestreams') return new Pull(source, pulls);
  const architecture = parseArchitecture(agentArchitecture(context) ?? machine());
  return new SimplestreamsPull(source, { servers: imageServers, architecture });
}

function toImageRequest(request: Omit<z.infer<typeof imageRequest>, 'source'>): ImageRequest {
  const expiresAt = request.expires_at === undefined ? undefined : parseExpiry(request.expires_at);
  return {
    aliases: (request.aliases ?? []).map(({ name, description }) => ({
      name: parseAlias(name),
      description,
    })),
    public: request.public,
    properties: request.properties ?? {},
    profiles: request.profiles ?? ['default'],
    filename: plainName(request.filename),
    autoUpdate: request.auto_update,
    ...defined({ expiresAt }),
  };
}
