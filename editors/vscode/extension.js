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

exports.activate = (context) => {
  context.subscriptions.push(
    commands.registerCommand("netc.restart", async () => {
      await client.stop();
      await start();
    })
  );
  return start();
};

exports.deactivate = () => client && client.stop();
