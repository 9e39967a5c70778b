/** One operation at a time on a container, in the order in which they came. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Whether somebody is at it. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  async run<T>(action: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const before = this.#last;
    const mine = before.then(action, action);
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }
}
