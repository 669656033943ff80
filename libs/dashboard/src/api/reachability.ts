/** Whether the server answers, for the one line that says when it does not. */
class Reachability {
  private readonly told = new Set<() => void>();
  private lost = false;

  /** Also of a proxy in front of it, which says 502 or 504 for a server that is gone. */
  answered(status: number): void {
    this.set(status === 502 || status === 504);
  }

  failed(): void {
    this.set(true);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.told.add(listener);
    return () => this.told.delete(listener);
  };

  readonly isLost = (): boolean => this.lost;

  private set(lost: boolean): void {
    if (lost === this.lost) return;
    this.lost = lost;
    for (const listener of this.told) listener();
  }
}

export const reachability = new Reachability();
