import type { RegistryAnswer, RegistryClient } from '../../support/registry-client.ts';

/** Asks for an image of an image server, as `image copy images:ALIAS ours:` does. */
export async function copyFrom(
  client: RegistryClient,
  server: string,
  fingerprint: string,
  more: { image_type?: string; auto_update?: boolean; public?: boolean; aliases?: { name: string }[] } = {},
): Promise<RegistryAnswer> {
  const { image_type = 'container', ...request } = more;
  const source = { type: 'image', mode: 'pull', protocol: 'simplestreams', server, fingerprint, image_type };
  return await client.request('POST', '/1.0/images', {
    json: { ...request, source },
    headers: { 'user-agent': 'LXD 5.0.2 (Linux; x86_64; 6.1.0; Debian; 12)' },
  });
}
