"""Linux on a CPU that Bochs emulates: files go in and come out by way of one raw disk.

The guest has busybox, the C library and the kernel's drivers of an ATA disk, all from Debian's packages (docs/reference/avx512-emulated.md).
"""
import gzip
import io
import os
import pathlib
import pty
import re
import shutil
import subprocess
import tarfile
import threading
import tty

MIB = 1 << 20
CYLINDER = 16 * 63 * 512  # bytes: heads, sectors, bytes a sector
LIBRARIES = ["/lib64/ld-linux-x86-64.so.2", *(f"/lib/x86_64-linux-gnu/{name}" for name in ("libc.so.6", "libm.so.6"))]
MODULES = ["scsi_common", "scsi_mod", "sd_mod", "libata", "ata_piix", "t10-pi", "crc-t10dif", "crct10dif_common", "crc64", "crc64-rocksoft",
           "crc64_rocksoft_generic", "crct10dif_generic"]
# In no order of their own: what one needs may come after it.
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for i in 1 2 3 4; do for m in /modules/*.ko; do insmod $m 2>/dev/null; done; done
echo CPU $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2)
echo HAS $(grep -o 'avx512[a-z_]*' /proc/cpuinfo | sort -u)
cd /work && tar xf /dev/sda || echo NO-FILES
at=$(cat at)
# keep NAME: /out, which it empties, goes to the disk.
keep() { tar cf /tmp/out.tar -C /out . && dd if=/tmp/out.tar of=/dev/sda bs=1M seek=$at 2>/dev/null && sync
  size=$(wc -c </tmp/out.tar); echo KEPT $1 $at $size; at=$((at + size / 1048576 + 1)); rm -rf /out /tmp/out.tar; mkdir /out; }
. ./run.sh 2>&1
echo DONE
poweroff -f
"""
# XSAVEC and XSAVES (321, 323): Linux finds Bochs's sizes of their areas inconsistent and would leave AVX-512 off.
KERNEL_LINE = "initrd=initrd.gz console=ttyS0 quiet nokaslr mitigations=off random.trust_cpu=on rdinit=/init panic=1 clearcpuid=321,323"


def build_initrd(folder, modules, out):
    for name in ("bin", "proc", "sys", "dev", "tmp", "work", "out", "modules"):
        (folder / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), folder / "bin" / "busybox")
    for library in LIBRARIES:
        (folder / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, folder / library[1:])
    for name in MODULES:
        for module in modules.rglob(name + ".ko"):
            shutil.copy(module, folder / "modules")
    (folder / "init").write_text(INIT)
    (folder / "init").chmod(0o755)
    names = subprocess.run(["find", "."], cwd=folder, capture_output=True, check=True).stdout
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=folder, input=names, capture_output=True, check=True).stdout
    out.write_bytes(gzip.compress(archive, 6))


class Machine:
    def __init__(self, folder, linux, cpu):
        """`linux`: an unpacked linux-image package."""
        self.folder, self.cpu = folder, cpu
        iso = folder / "iso"
        iso.mkdir()
        shutil.copy(next((linux / "boot").glob("vmlinuz-*")), iso / "vmlinuz")
        build_initrd(folder / "initrd", linux / "lib" / "modules", iso / "initrd.gz")
        shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", iso)
        shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", iso)
        (iso / "isolinux.cfg").write_text(f"DEFAULT l\nLABEL l\n KERNEL vmlinuz\n APPEND {KERNEL_LINE}\n")
        subprocess.run(["genisoimage", "-quiet", "-o", folder / "boot.iso", "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot",
                        "-boot-load-size", "4", "-boot-info-table", iso], check=True)

    def run(self, files, script, seconds, out_mib=256):
        """Boots, runs `script` among `files` (a folder), and returns what the guest wrote and {name: what it kept}."""
        (files / "run.sh").write_text(script)
        size = sum(path.stat().st_size + 1024 for path in files.rglob("*")) + 64 * 1024
        at = size // MIB + 1
        (files / "at").write_text(str(at))
        disk, serial = self.folder / "disk", self.folder / "serial"
        with tarfile.open(disk, "w", format=tarfile.GNU_FORMAT) as archive:
            archive.add(files, ".")
        cylinders = (at + out_mib) * MIB // CYLINDER + 1
        with open(disk, "r+b") as file:
            file.truncate(cylinders * CYLINDER)
        (self.folder / "bochsrc").write_text(f"""cpu: model={self.cpu}, count=1, ips=200000000
megs: 1536
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={self.folder}/boot.iso, status=inserted
ata0-slave: type=disk, path={disk}, mode=flat, cylinders={cylinders}, heads=16, spt=63
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
display_library: term
log: {self.folder}/log
panic: action=fatal
error: action=ignore
info: action=ignore
clock: sync=none
""")
        # Debian's Bochs has its debugger: "c" continues. Its terminal display wants a terminal.
        (self.folder / "debugger").write_text("c\n")
        master, terminal = pty.openpty()
        bochs = subprocess.Popen(["timeout", "-s", "KILL", str(seconds), "bochs-bin", "-q", "-rc", self.folder / "debugger", "-f", self.folder / "bochsrc"],
                                 stdin=terminal, stdout=terminal, stderr=terminal, env={"TERM": "xterm", "PATH": "/usr/bin:/bin"})
        os.close(terminal)
        screen = threading.Thread(target=drain, args=(master,))
        screen.start()
        bochs.wait()
        screen.join()
        text = serial.read_text(errors="replace")
        return text, dict(kept(disk, text))


def drain(terminal):
    """Reads what Bochs writes, there and to the screen that it opens and names: it waits where nobody reads."""
    said = b""
    try:
        while text := os.read(terminal, 65536):
            found = re.search(rb'connected to screen "(.*?)"', said + text)
            said = b"" if found else (said + text)[-1000:]
            if found:
                screen = os.open(found.group(1), os.O_RDWR | os.O_NOCTTY)
                tty.setraw(screen)  # no echo that comes back as keys
                threading.Thread(target=drain, args=(screen,), daemon=True).start()
    except OSError:  # its other end is closed
        pass
    os.close(terminal)


def kept(disk, text):
    with open(disk, "rb") as file:
        for name, at, size in re.findall(r"KEPT (\S+) (\d+) (\d+)", text):
            file.seek(int(at) * MIB)
            archive = tarfile.open(fileobj=io.BytesIO(file.read(int(size))))
            yield name, {pathlib.Path(entry.name).name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}
