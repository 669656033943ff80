/**
 * Lets work begin a few pieces per turn of the event loop, in order of arrival. Thousands of things that happen to sockets at once
 * (a fleet is cut off, a fleet comes back) would otherwise be one long turn, for whose end everybody else waits.
 */
export class EventLoopQueue {
  private begun = 0;
  private armed = false;
  private waiting: (() => void)[] = [];

  constructor(private readonly perTurn: number) {}

  /** Calls `begin` now, or in a later turn. */
  enter(begin: () => void): void {
    if (!this.armed) {
      this.armed = true;
      setImmediate(this.next);
    }
    if (this.begun < this.perTurn) {
      this.begun++;
      begin();
    } else this.waiting.push(begin);
  }

  private readonly next = (): void => {
    const turn = this.waiting.splice(0, this.perTurn);
    this.begun = turn.length;
    this.armed = turn.length > 0;
    if (this.armed) setImmediate(this.next);
    for (const begin of turn) begin();
  };
}
