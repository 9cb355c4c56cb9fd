/** The size of a page, in bytes: file systems write and lose whole pages. */
const pageSize = 4096;
const zeros = Buffer.alloc(pageSize);

/** The number of runs of zeros that are remembered; later ones are ignored. */
const runLimit = 65_536;

/** Remembers which pages of a file are all zeros while its bytes pass. */
export class ZeroPages {
  #length = 0;
  /** Whether the current page has been all zeros so far. */
  #zero = true;
  /** The beginnings and ends of runs of such pages, in ascending order. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const passed = this.#length % pageSize;
      const end = Math.min(bytes.length, at + pageSize - passed);
      this.#zero = (passed === 0 || this.#zero) && isZero(bytes, at, end);
      this.#length += end - at;
      at = end;
      if (this.#zero && this.#length % pageSize === 0) this.#note(this.#length);
    }
  }

  /**
   * The first place in a range where no compressed data can be: `start`, if it is in a page of zeros, or a page of
   * zeros that is completely in the range. Undefined if there is none.
   */
  within(start: number, end: number): number | undefined {
    let low = 0;
    for (let high = this.#ends.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] ?? 0) > start) high = middle;
      else low = middle + 1;
    }
    const [first, last] = [this.#starts[low] ?? end, this.#ends[low] ?? end];
    if (first <= start && start < last) return start;
    return first + pageSize <= end ? first : undefined;
  }

  #note(end: number): void {
    const last = this.#ends.length - 1;
    if (this.#ends[last] === end - pageSize) this.#ends[last] = end;
    else if (last + 1 < runLimit) {
      this.#starts.push(end - pageSize);
      this.#ends.push(end);
    }
  }
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  // These bytes already rule out nearly every page of packed data.
  if (bytes[start] !== 0 || bytes[end - 1] !== 0) return false;
  return zeros.compare(bytes, start, end, 0, end - start) === 0;
}
