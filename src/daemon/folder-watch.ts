import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';

interface Watched {
  readonly watcher: FSWatcher;
  readonly inode: number;
}

/**
 * Tells when something happens in folders. Hints only: an event may be missed, or come where nothing changed (network file
 * systems, a limit of the system on watches), so the one who is told looks for himself, and looks now and then without being told.
 */
export class FolderWatch {
  readonly #onEvent: () => void;
  readonly #watched = new Map<string, Watched>();

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  /** Watches these folders and no others. One that was replaced by another of its name is watched anew. */
  async set(folders: readonly string[]): Promise<void> {
    for (const [folder, { watcher }] of this.#watched) {
      if (folders.includes(folder)) continue;
      watcher.close();
      this.#watched.delete(folder);
    }
    for (const folder of folders) await this.#watch(folder);
  }

  close(): void {
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  async #watch(folder: string): Promise<void> {
    const inode = await stat(folder).then(
      ({ ino }) => ino,
      () => undefined,
    );
    const known = this.#watched.get(folder);
    if (known !== undefined && known.inode === inode) return;
    known?.watcher.close();
    this.#watched.delete(folder);
    if (inode === undefined) return;
    try {
      const watcher = watch(folder, { persistent: false }, this.#onEvent);
      watcher.on('error', () => {
        watcher.close();
        this.#watched.delete(folder);
        this.#onEvent();
      });
      this.#watched.set(folder, { watcher, inode });
    } catch {
      // gone since, or too many watches: the looks without a hint find what changes there
    }
  }
}
