export const t = {
  title: 'Blueprints',
  list: 'What was applied, newest first',
  back: 'Blueprints',
  create: 'Write a blueprint',
  newTitle: 'New blueprint',
  columns: { name: 'Name', result: 'Result', source: 'Came by', createdAt: 'Applied' },
  sources: { API: 'API', UI: 'Dashboard', NEWT: 'Site', CLI: 'Command line' },
  succeeded: 'Applied',
  failed: 'Refused',
  empty: {
    title: 'No blueprints yet',
    description:
      'A blueprint is a document that says which resources there are. Applied, it makes what is missing and changes what differs.',
  },
  name: 'Name',
  nameHint: 'By which it is found in the list; empty for one that says when it was applied.',
  document: 'Blueprint',
  plan: 'Plan',
  planHint: 'Nothing is changed by a plan.',
  apply: 'Apply',
  applyAgain: 'Apply it again, or change it first: what is applied becomes an entry of its own.',
  applied: 'The blueprint was applied',
  refused: 'The blueprint was refused',
  changes: (count: string) => `It would change ${count}:`,
  noChanges: 'It would change nothing: everything is as it says.',
  actions: { create: 'create', update: 'change', delete: 'delete' },
  kinds: {
    'public-resource': 'public resource',
    'private-resource': 'private resource',
    target: 'target',
    rule: 'rule',
    site: 'site',
    role: 'role',
  },
  drift: 'Changed by hand since, and put back by applying:',
  driftField: (key: string, field: string) => `${key}: ${field}`,
  diff: 'What the document says otherwise',
  problems: 'What is wrong with it',
  message: 'What the server said',
  changedSince: 'The text was changed since it was planned: plan it again.',
  example: `public-resources:
my-app:
  name: My app
  mode: http
  full-domain: app.example.com
  targets:
    - site: my-site
      hostname: localhost
      method: http
      port: 8080
`,
};
