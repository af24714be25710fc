import { deepStrictEqual, strictEqual } from 'node:assert';

export const timersComeInOrder = {
  async test() {
    const seen = [];
    await new Promise((resolve) => {
      setTimeout(() => { seen.push(3); resolve(); }, 15);
      setTimeout(() => seen.push(2), 1);
      queueMicrotask(() => seen.push(1));
    });
    deepStrictEqual(seen, [1, 2, 3]);
  },
};

export const argumentsArePassedOn = {
  async test() {
    const given = await new Promise((resolve) => setTimeout((...list) => resolve(list), 1, 'a', 2));
    deepStrictEqual(given, ['a', 2]);
  },
};

export const clearedTimersDoNotRun = {
  async test() {
    let ran = false;
    clearTimeout(setTimeout(() => { ran = true; }, 1));
    await scheduler.wait(10);
    strictEqual(ran, false);
  },
};

export const intervalsRepeat = {
  async test() {
    let count = 0;
    await new Promise((resolve) => {
      const interval = setInterval(() => {
        if (++count === 3) {
          clearInterval(interval);
          resolve();
        }
      }, 1);
    });
    await scheduler.wait(5);
    strictEqual(count, 3);
  },
};

export const theClockRunsWhileATestDoes = {
  async test() {
    const begun = Date.now();
    while (Date.now() === begun);
    const before = Date.now();
    await scheduler.wait(20);
    strictEqual(Date.now() - before >= 19, true);
  },
};

export const theClockStandsAtTheTop = {
  test() {
    strictEqual(atTheTop, 0);
  },
};

const atTheTop = Date.now();
