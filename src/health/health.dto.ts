/** The process answers. */
export class AliveView {
  /** Always `ok`. */
  status: string;
}

/** The process can serve: PostgreSQL answers, and the schema was brought up to date before this server listened. */
export class ReadyView {
  status: string;
  database: string;
}

/** The greeting of the API's root. */
export class GreetingView {
  message: string;
}
