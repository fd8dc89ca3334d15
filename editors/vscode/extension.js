// Starts netc-lsp for .net files and starts it again on command.
const { commands, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function start() {
  const command = workspace.getConfiguration("netc").get("server");
  client = new LanguageClient(
    "netc",
    "netc",
    { run: { command }, debug: { command } },
    {
      documentSelector: [{ language: "net" }],
      synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.net") },
    }
  );
  return client.start();
}

async function stop() {
  try {
    await client.stop();
  } catch {
    // It did not start, or has ended: another start is wanted all the same.
  }
}

exports.activate = (context) => {
  context.subscriptions.push(
    commands.registerCommand("netc.restart", async () => {
      await stop();
      await start();
    })
  );
  return start();
};

exports.deactivate = () => client && stop();
