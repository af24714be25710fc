import { strictEqual } from 'node:assert';

export const rejectionsWithoutAHandlerFireAnEvent = {
  async test() {
    const reason = new Error('nobody cares');
    const seen = new Promise((resolve) => addEventListener('unhandledrejection', (event) => {
      event.preventDefault();
      resolve(event.reason);
    }, { once: true }));
    Promise.reject(reason);
    strictEqual(await seen, reason);
  },
};

export const handledInTimeIsNoEvent = {
  async test() {
    let seen = false;
    const listener = () => { seen = true; };
    addEventListener('unhandledrejection', listener);
    Promise.reject(new Error('x')).catch(() => {});
    await scheduler.wait(1);
    removeEventListener('unhandledrejection', listener);
    strictEqual(seen, false);
  },
};
