import { posix } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import { type ImageRule, shown, type Violation } from '../image-rules.ts';
import type { ImageTemplate } from '../metadata/metadata.ts';
import type { Member } from './member.ts';
import { SeenMembers } from './seen-members.ts';

/** The number of characters of all remembered links: some hundred thousand links. */
const linksLimit = 32 * 1024 * 1024;
/** The number of links that are followed for one path, as in Linux. */
const maxLinksFollowed = 40;
/** The number of files below templates/ that are remembered. */
const templateFilesLimit = 10_000;

/**
 * Finds members that point out of the image, in any order of the members. The kind of archive is known only at its end:
 * a fault in a unified image or a metadata tarball may be right in a bare root.
 */
export class MemberRules {
  /** The first violation of each rule: for all archives, and for all but bare roots. */
  readonly #everywhere = new Map<ImageRule, Violation>();
  readonly #withMetadata = new Map<ImageRule, Violation>();
  readonly #links = new Map<string, string>();
  #linksSize = 0;
  /** Files below templates/. */
  readonly #templates = new Set<string>();
  readonly #seen = new SeenMembers();
  #folder: { name: string; leaves: string | undefined } = { name: '', leaves: undefined };

  /**
   * @throws HeadwaterError `invalid` for members that tar cannot unpack, and for far more links or templates than
   * images have
   */
  visit(member: Member): void {
    const { name, type, absolute = false } = member;
    if (name === '') return;
    if (name.split('/').includes('..'))
      this.#break('outside-name', `${shown(name)} has .. in its path`, 'everywhere');
    else if (absolute) this.#break('outside-name', `${shown(`/${name}`)} is an absolute path`);
    this.#assertInFront(name);
    if (type === 'symlink' || type === 'link') this.#visitLink(member);
    else this.#replaceLink(member);
    this.#seen.add(member);
    const inRoot = isInRoot(name);
    if (type === 'device' && !inRoot) this.#break('outside-device', `${shown(name)} is a device`);
    if (name.startsWith('templates/') && type !== 'directory') this.#rememberTemplate(member);
  }

  /** The violations of an archive with metadata.yaml and these templates. */
  violations(templates: readonly ImageTemplate[]): Violation[] {
    for (const { target, file } of templates) {
      if (leavesFolder(target))
        this.#break('template-target', `the template for ${shown(target)} leaves the root`);
      const link = this.#leavesBehindLink(`${posix.join('rootfs', target)}/`);
      if (link !== undefined) {
        this.#break('template-target', `the template for ${shown(target)} is behind the link ${shown(link)}`);
      }
      if (leavesFolder(file)) {
        this.#break(
          'template-path',
          `the template ${shown(file)} of ${shown(target)} is outside of templates/`,
        );
      }
    }
    return [...this.#everywhere.values(), ...this.#withMetadata.values()];
  }

  /** The violations of a bare root filesystem. */
  get rootViolations(): Violation[] {
    return [...this.#everywhere.values()];
  }

  /**
   * Whether the daemons find a template's file: they resolve the path one name at a time, follow no link, and do not
   * leave `templates/`.
   */
  hasTemplate(file: string): boolean {
    if (file.startsWith('/') || file.split('/').includes('..')) return false;
    return this.#templates.has(posix.join('templates', file));
  }

  /** Whether a path of the root filesystem is a directory. */
  isFolder(target: string): boolean {
    const path = clean(posix.join('rootfs', target));
    return path === 'rootfs' || this.#seen.isFolder(path);
  }

  #break(rule: ImageRule, what: string, where: 'everywhere' | 'with metadata' = 'with metadata'): void {
    const violations = where === 'everywhere' ? this.#everywhere : this.#withMetadata;
    if (!violations.has(rule) && !this.#everywhere.has(rule)) violations.set(rule, { rule, what });
  }

  #visitLink({ name, type, linkName = '' }: Member): void {
    const what = `${shown(name)} is a ${type === 'link' ? 'hard link' : 'link'} to ${shown(linkName)}`;
    if (type === 'link') {
      const target = clean(linkName);
      const crosses = isInRoot(name) !== isInRoot(target);
      if (leavesFolder(linkName)) this.#break('outside-link', what, 'everywhere');
      else if (linkName.startsWith('/') || crosses) this.#break('outside-link', what);
      else this.#assertSeen(target, what);
      const behind = this.#leavesBehindLink(target);
      if (behind !== undefined)
        this.#break('behind-link', `${what}, behind the link ${shown(behind)}`, 'everywhere');
    } else {
      this.#linksSize += name.length + linkName.length;
      if (this.#linksSize > linksLimit) {
        throw new HeadwaterError(
          'invalid',
          `it has links of more than ${linksLimit} characters, which no image has`,
        );
      }
      this.#links.set(name, linkName);
      this.#folder = { name: '', leaves: undefined };
    }
    const [first = ''] = name.split('/', 1);
    if (name === 'rootfs' || name === 'rootfs.img') this.#break('rootfs-link', what);
    else if (type === 'symlink' && first !== 'rootfs') this.#visitOutsideLink(name, linkName, what);
  }

  /** tar creates a hard link when it reads it. A target behind a symbolic link is not checked. */
  #assertSeen(target: string, what: string): void {
    if (this.#seen.mayHave(target)) return;
    const parts = target.split('/');
    if (parts.some((_, index) => this.#links.has(parts.slice(0, index).join('/')))) return;
    throw new HeadwaterError(
      'invalid',
      `${what}, which is not an earlier file of the archive: LXD and Incus cannot unpack it`,
    );
  }

  /**
   * Another member in the place of a link. GNU tar creates links that are absolute or contain .. at its end, and fails
   * if a directory is in their place.
   */
  #replaceLink({ name, type }: Member): void {
    const target = this.#links.get(name);
    if (target === undefined) return;
    this.#links.delete(name);
    if (type !== 'directory' || !(target.startsWith('/') || target.split('/').includes('..'))) return;
    throw new HeadwaterError(
      'invalid',
      `${shown(name)} is a link to ${shown(target)} and later a directory: LXD and Incus cannot unpack it`,
    );
  }

  /** Links outside of the root: only links within templates/ are legitimate. */
  #visitOutsideLink(name: string, linkName: string, what: string): void {
    const [first = ''] = name.split('/', 1);
    const target = posix.join(posix.dirname(name), linkName);
    const inTemplates = name.startsWith('templates/') && target.startsWith('templates/');
    if (inTemplates && !linkName.startsWith('/')) return;
    if (first === 'templates') this.#break('templates-link', what);
    else if (first === 'exec-output') this.#break('exec-output-link', what);
    else if (name !== 'metadata.yaml') this.#break('outside-link', what);
  }

  /** The path of a member must not pass through a link that leaves the root. */
  #assertInFront(name: string): void {
    const folder = posix.dirname(name);
    if (folder === '.') return;
    // Members of a directory are usually adjacent.
    if (this.#folder.name !== folder) {
      this.#folder = { name: folder, leaves: this.#leavesBehindLink(`${folder}/`) };
    }
    const { leaves: link } = this.#folder;
    if (link !== undefined)
      this.#break('behind-link', `${shown(name)} is behind the link ${shown(link)}`, 'everywhere');
  }

  /** The link on a path that leaves the root; undefined if there is none. */
  #leavesBehindLink(path: string): string | undefined {
    const pending = path.split('/').slice(0, -1).reverse();
    const here: string[] = [];
    const top = isInRoot(path) ? 1 : 0;
    let followed = 0;
    let link: string | undefined;
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (here.length <= top) return link;
        here.pop();
        continue;
      }
      const name = [...here, part].join('/');
      const target = this.#links.get(name);
      if (target === undefined) {
        here.push(part);
        continue;
      }
      link = name;
      followed += 1;
      if (followed > maxLinksFollowed || target.startsWith('/')) return link;
      pending.push(...target.split('/').reverse());
    }
    return undefined;
  }

  #rememberTemplate({ name, type }: Member): void {
    if (this.#templates.size >= templateFilesLimit) {
      throw new HeadwaterError('invalid', `templates/ has more than ${templateFilesLimit} files`);
    }
    if (type === 'file' || type === 'link') this.#templates.add(name);
  }
}

function isInRoot(name: string): boolean {
  return name.startsWith('rootfs/');
}

function clean(path: string): string {
  return posix.normalize(path).replace(/^\/+|\/+$/g, '');
}

/** Whether a path leaves the directory in which it begins. A leading slash means that directory. */
export function leavesFolder(path: string): boolean {
  const normal = posix.normalize(path.replace(/^\/+/, ''));
  return normal === '..' || normal.startsWith('../');
}
