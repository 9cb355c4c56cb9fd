import { type Extract, extract as extractTar, type Header, pack as packTarStream } from 'tar-stream';
import { HeadwaterError } from '../../errors.ts';

/** Opens a layer, which is read twice. It is an unpacked tar archive. */
export type OpenLayer = () => AsyncIterable<Uint8Array>;

const whiteout = '.wh.';
const opaqueMarker = '.wh..wh..opq';
/** Keys of pax headers that the entry's own fields replace. */
const ownKeys = ['path', 'linkpath', 'size'];

type LayerHeader = Omit<Header, 'type' | 'pax'> & {
  type: Header['type'] | null;
  pax: Record<string, string> | null;
};

/** What becomes of the entries of a layer, by their numbers; entries without an action are left out. */
interface Plan {
  actions: Map<number, { name: string; linkname?: string }>;
}

/** The paths that layers have, for the layers below them. */
class Above {
  /** The paths of entries that stay; directories with the header that counts. */
  readonly paths = new Map<string, LayerHeader | 'other'>();
  readonly deleted = new Set<string>();
  readonly opaque = new Set<string>();

  /** Whether an entry of a layer below is not in the result. */
  covers(path: string): boolean {
    if (this.paths.has(path) || this.deleted.has(path)) return true;
    for (let at = path.lastIndexOf('/'); at >= 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      if (this.deleted.has(folder) || this.opaque.has(folder) || this.paths.get(folder) === 'other')
        return true;
      if (at === 0) break;
    }
    return this.opaque.has('') && path !== '';
  }
}

/**
 * Makes one tar archive of the layers of an image, as a container with them would see it (OCI Image Specification 1.1,
 * "Image Layer Filesystem Changeset"): an entry replaces those of the same path below it, `.wh.NAME` deletes NAME, and
 * `.wh..wh..opq` everything that the layers below have in its directory.
 * @param layers the lowest one first
 * @throws HeadwaterError `invalid` for archives that are damaged or have entries that cannot be copied
 */
export async function* flatten(layers: readonly OpenLayer[]): AsyncGenerator<Uint8Array> {
  const above = new Above();
  const plans: Plan[] = [];
  for (const open of [...layers].reverse()) plans.unshift(await planLayer(open, above));
  const archive = packTarStream();
  const writing = writeAll(archive, layers, plans, above).catch((error: unknown) => {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  // The reader of the archive gets the failure, too.
  writing.catch(() => undefined);
  yield* archive as AsyncIterable<Uint8Array>;
  await writing;
}

/** Decides about the entries of a layer, and adds them to those above the next one. */
async function planLayer(open: OpenLayer, above: Above): Promise<Plan> {
  const entries: { name: string; path: string; header: LayerHeader }[] = [];
  const indexes = new Map<string, number>();
  const [deleted, opaque] = [new Set<string>(), new Set<string>()];
  const left = new Set<number>();
  await each(open, (header, index) => {
    const path = normalise(header.name);
    entries.push({ name: header.name, path, header });
    const slash = path.lastIndexOf('/');
    const [folder, base] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
    if (base === opaqueMarker) opaque.add(folder);
    else if (base.startsWith(whiteout) && !base.startsWith(`${whiteout}${whiteout}`)) {
      deleted.add(slash < 0 ? base.slice(whiteout.length) : `${folder}/${base.slice(whiteout.length)}`);
    }
    if (base.startsWith(whiteout) || above.covers(path)) {
      left.add(index);
    } else {
      // Of two entries of one path, the last one counts.
      const before = indexes.get(path);
      if (before !== undefined) left.add(before);
      indexes.set(path, index);
    }
    return undefined;
  });
  const plan = planLinks(entries, left, above);
  for (const [index, { path, header }] of entries.entries()) {
    if (!left.has(index)) above.paths.set(path, header.type === 'directory' ? header : 'other');
  }
  for (const path of deleted) above.deleted.add(path);
  for (const path of opaque) above.opaque.add(path);
  return plan;
}

/** Hard links whose first name is left out share the bytes under another name. */
function planLinks(
  entries: readonly { name: string; path: string; header: LayerHeader }[],
  left: ReadonlySet<number>,
  above: Above,
): Plan {
  const plan: Plan = { actions: new Map() };
  const named = new Map<string, number>();
  /** The name under which the bytes of an entry that is left out are kept. */
  const moved = new Map<number, string>();
  for (const [index, { name, path, header }] of entries.entries()) {
    if (header.type !== 'link') {
      named.set(path, index);
      if (!left.has(index)) plan.actions.set(index, { name });
      continue;
    }
    const target = normalise(header.linkname ?? '');
    const source = named.get(target);
    // A later link may name this one.
    if (source !== undefined) named.set(path, source);
    if (left.has(index)) continue;
    if (source === undefined) {
      if (above.covers(target)) {
        throw new HeadwaterError(
          'invalid',
          `${quote(name)} is a hard link to a file that another layer replaces`,
        );
      }
      plan.actions.set(index, { name, linkname: header.linkname ?? '' });
      continue;
    }
    const first = plan.actions.get(source)?.name;
    if (first !== undefined) {
      plan.actions.set(index, { name, linkname: moved.get(source) ?? first });
    } else {
      moved.set(source, name);
      plan.actions.set(source, { name });
    }
  }
  return plan;
}

async function writeAll(
  archive: ReturnType<typeof packTarStream>,
  layers: readonly OpenLayer[],
  plans: readonly Plan[],
  above: Above,
): Promise<void> {
  const folders = new Set<string>();
  for (const [at, open] of layers.entries()) {
    await each(open, (header, index) => {
      const path = normalise(header.name);
      const action = plans[at]?.actions.get(index);
      // A directory comes before its entries, also when a layer above changes it.
      const folder = header.type === 'directory' ? above.paths.get(path) : undefined;
      if (folder !== undefined && folder !== 'other') {
        if (folders.has(path)) return undefined;
        folders.add(path);
        return entryOf(archive, { ...folder, name: header.name });
      }
      if (action === undefined) return undefined;
      return entryOf(archive, { ...header, ...action });
    });
  }
  archive.finalize();
}

/** Begins an entry. @returns writes its bytes */
function entryOf(
  archive: ReturnType<typeof packTarStream>,
  { type, pax, ...header }: LayerHeader,
): (body: AsyncIterable<Uint8Array>) => Promise<void> {
  if (type === null || Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'))) {
    throw new HeadwaterError(
      'invalid',
      `${quote(header.name)} is of a kind that cannot be copied, such as a sparse file`,
    );
  }
  const kept = Object.entries(pax ?? {}).filter(([key]) => !ownKeys.includes(key));
  const hasBytes = type === 'file' || type === 'contiguous-file';
  const size = hasBytes ? header.size : 0;
  const full = { ...header, type, size, ...(kept.length === 0 ? {} : { pax: Object.fromEntries(kept) }) };
  return async (body) => {
    await new Promise<void>((resolve, reject) => {
      const sink = archive.entry(full as Header, (error) => (error ? reject(error) : resolve()));
      if (!hasBytes) return;
      void (async () => {
        for await (const bytes of body) {
          if (!sink.write(bytes)) await new Promise<void>((ready) => sink.once('drain', () => ready()));
        }
        sink.end(null);
      })().catch(reject);
    });
  };
}

/** Calls `visit` for each entry of a layer; what it returns gets the bytes of the entry. */
async function each(
  open: OpenLayer,
  visit: (
    header: LayerHeader,
    index: number,
  ) => ((body: AsyncIterable<Uint8Array>) => Promise<void>) | undefined,
): Promise<void> {
  const extract: Extract = extractTar();
  const feeding = feed(open(), extract);
  feeding.catch((error: unknown) =>
    extract.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  let index = 0;
  try {
    for await (const entry of extract) {
      const take = visit(entry.header as LayerHeader, index++);
      if (take === undefined) entry.resume();
      else {
        await take(entry as AsyncIterable<Uint8Array>);
        entry.resume();
      }
    }
  } catch (error) {
    if (error instanceof HeadwaterError) throw error;
    throw new HeadwaterError('invalid', 'a layer is no tar archive, or a damaged one', { cause: error });
  }
  await feeding;
}

async function feed(source: AsyncIterable<Uint8Array>, extract: Extract): Promise<void> {
  for await (const bytes of source) {
    if (extract.destroyed) return;
    if (!extract.write(bytes)) {
      await new Promise<void>((resolve) => {
        const settle = () => {
          extract.off('drain', settle).off('close', settle);
          resolve();
        };
        extract.on('drain', settle).on('close', settle);
      });
    }
  }
  extract.end(null);
}

function normalise(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
