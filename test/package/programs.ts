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
