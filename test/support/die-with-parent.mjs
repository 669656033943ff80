// Preloaded into every server that a test starts: when the test process goes, however it goes, so does the server.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();
