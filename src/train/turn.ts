/** Letting the event loop turn. */

/**
 * Gives other work a turn between batches, so that a page draws and an abort is heard. A message to oneself comes back
 * as soon as the loop has turned; a timer would wait for milliseconds.
 */
export class Turns {
  readonly #channel: MessageChannel = new MessageChannel();
  #resume: () => void = () => {};

  constructor() {
    this.#channel.port1.onmessage = () => this.#resume();
  }

  /** Resolves after other tasks that wait had their turn. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#channel.port2.postMessage(null);
    });
  }

  /** Lets a process end. */
  close(): void {
    this.#channel.port1.close();
  }
}
