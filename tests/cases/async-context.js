import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { strictEqual } from 'node:assert';

const storage = new AsyncLocalStorage();

export const storesReachWhatIsAwaited = {
  async test() {
    await storage.run(1, async () => {
      strictEqual(storage.getStore(), 1);
      await scheduler.wait(1);
      strictEqual(storage.getStore(), 1);
    });
    strictEqual(storage.getStore(), undefined);
  },
};

export const timersKeepTheirStore = {
  async test() {
    const seen = await storage.run('timer', () => new Promise((resolve) => setTimeout(() => resolve(storage.getStore()), 1)));
    strictEqual(seen, 'timer');
  },
};

export const runsNest = {
  test() {
    storage.run(1, () => {
      storage.run(2, () => strictEqual(storage.getStore(), 2));
      strictEqual(storage.getStore(), 1);
      storage.exit(() => strictEqual(storage.getStore(), undefined));
    });
  },
};

export const snapshotsAreTakenAlong = {
  test() {
    const snapshot = storage.run('then', () => AsyncLocalStorage.snapshot());
    strictEqual(storage.run('now', () => snapshot(() => storage.getStore())), 'then');
    const bound = storage.run('bound', () => AsyncLocalStorage.bind(() => storage.getStore()));
    strictEqual(bound(), 'bound');
  },
};

export const resourcesRunInTheirScope = {
  test() {
    const resource = storage.run(5, () => new AsyncResource('x'));
    strictEqual(resource.runInAsyncScope(() => storage.getStore()), 5);
  },
};
