/** The process answers. */
export class AliveView {
  /** Always `ok`. */
  status: string;
}

/** The process can serve: PostgreSQL answers, and the schema was brought up to date before this server listened. */
export class ReadyView {
  /** Always `ok`. */
  status: string;
  /** `ok`, or for how long it has owed an answer. The server serves all the same, as fast as it answers. */
  database: string;
  /** `ok`, or for how long one open transaction has held the event feed back. The server serves all the same. */
  eventFeed: string;
  /** `ok`, or of how many seconds changes of public resources may be missing at this edge, which serves them all the same. */
  routes: string;
  /** Always `ok`: while the disk of the database is full the answer is 503. */
  disk: string;
  /** Always `ok`: while the server stops the answer is 503. */
  drain: string;
}

/** The greeting of the API's root. */
export class GreetingView {
  message: string;
}
