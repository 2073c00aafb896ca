/** The network: the worker trains it, and whoever asked puts the weights into one of its own. */
import { Conv2d, Dense, Flatten, MaxPool2d, ReLU, Sequential } from 'typedgrad';

export function makeModel(): Sequential {
  const first = [new Conv2d(1, 8, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2)];
  const second = [new Conv2d(8, 16, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2)];
  return new Sequential(...first, ...second, new Flatten(), new Dense(16 * 7 * 7, 10));
}
