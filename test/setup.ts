/** Suites that share a process find the default stream of random numbers as a new process does. */
import { manualSeed } from '../src/tensor/random.ts';

manualSeed(0);
