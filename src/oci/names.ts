import { defaultStream } from '../catalog/products/streams.ts';

// Names as the OCI Distribution Specification 1.1 has them ("Pulling manifests").

const repositoryName = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** The longest name that is looked up. The specification: clients often limit host and name together to 255 characters. */
const longestName = 255;

/** Whether a text can be the name of a repository. */
export function isRepositoryName(text: string): boolean {
  return text.length <= longestName && repositoryName.test(text);
}

/** Whether a text can be a tag. */
export function isTag(text: string): boolean {
  return tagName.test(text);
}

/** What the name of a repository means: the aliases that begin with a path, in a stream. */
export interface RepositoryPlace {
  stream: string;
  path: string;
}

/**
 * The places that a repository may mean, in the order in which they are searched: `STREAM/PATH`, and `PATH` in the stream
 * that needs no configuration.
 */
export function placesOf(repository: string): RepositoryPlace[] {
  const slash = repository.indexOf('/');
  const plain = { stream: defaultStream, path: repository };
  if (slash < 0) return [plain];
  return [{ stream: repository.slice(0, slash), path: repository.slice(slash + 1) }, plain];
}

/** The repository of a path in a stream: the inverse of {@link placesOf}. */
export function repositoryAt({ stream, path }: RepositoryPlace): string {
  return stream === defaultStream ? path : `${stream}/${path}`;
}
