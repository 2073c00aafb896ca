/** Programs that users' bundlers meet. */

/** Trains for a few steps and prints the last loss: eager operations, autograd, layers, losses, an optimizer. */
export const training = `
import { Conv2d, crossEntropy, Dense, Flatten, manualSeed, MaxPool2d, randn, ReLU, Sequential, SGD } from 'typedgrad';
manualSeed(1);
const model = new Sequential(new Conv2d(1, 4, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2), new Flatten(), new Dense(64, 3));
const optimizer = new SGD(model.parameters(), { lr: 0.1 });
const x = randn([6, 1, 8, 8]);
let loss;
for (let step = 0; step < 20; step++) {
  loss = crossEntropy(model.forward(x), [0, 1, 2, 0, 1, 2]);
  optimizer.zeroGrad();
  loss.backward();
  optimizer.step();
}
console.log(loss.item().toFixed(6));
`;

/** Elementwise arithmetic and a gradient, by methods too, of tensors that have all methods. */
export const small = `
import { grad, tensor } from 'typedgrad';
const slope = grad((x) => x.mul(x).exp().sum());
console.log(slope(tensor([0, 1])).toArray().map((value) => value.toFixed(4)).join(' '));
`;

/** The same of tensors that have the methods of `typedgrad/core`. */
export const core: string = small.replace("'typedgrad'", "'typedgrad/core'");

/**
 * Trains a compiled network with one thread and with two. Prints the number of threads, why there are not two, and
 * whether the weights have the same bits.
 */
export const threads = `
import { Adam, backend, compile, Conv2d, crossEntropy, Dense, Flatten, manualSeed, MaxPool2d, randn, ReLU, Sequential, setThreads } from 'typedgrad';
function train() {
  manualSeed(1);
  const layers = [new Conv2d(1, 8, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2), new Flatten(), new Dense(8 * 36, 3)];
  const model = new Sequential(...layers);
  const optimizer = new Adam(model.parameters());
  const x = randn([24, 1, 12, 12]);
  const y = Int32Array.from({ length: 24 }, (_, i) => i % 3);
  const step = compile((x, y) => {
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
  for (let i = 0; i < 5; i++) step(x, y);
  return model.parameters().flatMap((p) => [...new Uint8Array(Float32Array.from(p.data).buffer)]).join();
}
async function main() {
  const one = train();
  await setThreads(2);
  const two = train();
  const { threads, reasons } = backend();
  console.log(JSON.stringify([threads, reasons.threads ?? '', one === two && one.length > 1000]));
}
main();
`;
