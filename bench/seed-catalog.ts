import { createHash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import { Catalog } from '../src/catalog/catalog.ts';
import { serialOf } from '../src/model/names.ts';

/**
 * Fills a new catalog with made-up versions, twenty to a product, without any blobs behind them.
 * @param count how many versions
 */
export async function seedCatalog(file: string, count: number): Promise<void> {
  // Makes the schema.
  await (await Catalog.open(file)).close();
  const database = new Sqlite(file);
  database.pragma('synchronous = OFF');
  const product = database.prepare(
    `insert into products (name, os, release, architecture, variant, stream, owner, os_title, release_title, requirements, revision)
     values (?, ?, 'r1', 'amd64', 'default', 'images', 'local', ?, 'r1', '{}', 0)`,
  );
  const alias = database.prepare(
    `insert into aliases (name, stream, os, release, variant) values (?, 'images', ?, 'r1', 'default')`,
  );
  const version = database.prepare(
    `insert into versions (product_id, serial, label, published_at) values (?, ?, 'release', ?)`,
  );
  const item = database.prepare(
    `insert into items (version_id, file, type, digest, size, fingerprint) values (?, ?, ?, ?, ?, ?)`,
  );
  const perProduct = 20;
  database.transaction(() => {
    for (let number = 0; number < count / perProduct; number++) {
      const os = `os${String(number).padStart(6, '0')}`;
      const productId = product.run(`${os}:r1:amd64:default`, os, os).lastInsertRowid;
      alias.run(`${os}/r1`, os);
      alias.run(`${os}/r1/default`, os);
      for (let build = 0; build < perProduct; build++) {
        const moment = new Date(Date.UTC(2026, 0, 1 + build));
        const versionId = version.run(productId, serialOf(moment), moment.getTime()).lastInsertRowid;
        const hash = (what: string) => createHash('sha256').update(`${os} ${build} ${what}`).digest('hex');
        item.run(versionId, 'lxd.tar.xz', 'metadata', hash('metadata'), 700, null);
        item.run(versionId, 'rootfs.squashfs', 'squashfs', hash('root'), 43_000_000, hash('both'));
      }
    }
  })();
  database.close();
}
