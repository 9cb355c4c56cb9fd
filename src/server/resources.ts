interface Resource {
  what: string;
  close: () => void | Promise<void>;
}

/** Resources that are closed together, the last one first. */
export class Resources {
  readonly #opened: Resource[] = [];

  /** Adds a resource to close. @param what its name, for errors */
  onClose(what: string, close: () => void | Promise<void>): void {
    this.#opened.push({ what, close });
  }

  /** A group of resources that are opened later, and closed in the place that the group has now. */
  group(what: string): Resources {
    const group = new Resources();
    this.onClose(what, () => group.close());
    return group;
  }

  /**
   * Closes everything, also when some of it fails. A second call does nothing.
   * @throws AggregateError with the errors, naming what could not be closed
   */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    const failed: string[] = [];
    for (let resource = this.#opened.pop(); resource !== undefined; resource = this.#opened.pop()) {
      try {
        await resource.close();
      } catch (error) {
        errors.push(error);
        failed.push(resource.what);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `cannot close ${failed.join(', ')}`);
  }
}
