# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Windows the tests make, and what their hives hold.

The shape is that of an installed system: the keys that a conversion reads or has to leave alone, as
far as they are documented or public tools read and write them.
"""

import ipaddress
import struct
import uuid

from hive import Expand, Hive, Typed

X86, AMD64 = "x86", "amd64"
BIOS, UEFI = "bios", "uefi"

DISK = "{4d36e967-e325-11ce-bfc1-08002be10318}"
VOLUME = "{71a27cdd-812a-11d0-bec7-08002be2092f}"
SCSI = "{4d36e97b-e325-11ce-bfc1-08002be10318}"
HDC = "{4d36e96a-e325-11ce-bfc1-08002be10318}"
NET = "{4d36e972-e325-11ce-bfc1-08002be10318}"
COMPUTER = "{4d36e966-e325-11ce-bfc1-08002be10318}"
CLASSES = {DISK: "DiskDrive", VOLUME: "Volume", SCSI: "SCSIAdapter", HDC: "hdc", NET: "Net",
           COMPUTER: "Computer"}


class System:
    """One Windows on one physical machine."""

    def __init__(self, name, version, build, product, edition, kind="Client", arch=AMD64,
                 firmware=BIOS, storage="msahci", nic="e1iexpress", revision=0, release=None,
                 pack=None):
        self.name, self.version, self.build, self.product = name, version, build, product
        self.edition, self.kind, self.arch, self.firmware = edition, kind, arch, firmware
        self.storage, self.nic, self.revision, self.release = storage, nic, revision, release
        self.pack = pack

    @property
    def old(self):
        """Before Vista."""
        return self.version < (6, 0)

    @property
    def database(self):
        """Drivers are found by DriverDatabase."""
        return self.version >= (6, 2)

    @property
    def server(self):
        return self.kind != "Client"

    @property
    def directory(self):
        return "WINDOWS" if self.old else "Windows"


SYSTEMS = {s.name: s for s in [
    System("xp", (5, 1), 2600, "Microsoft Windows XP", None, arch=X86, storage="atapi", nic="e1000",
           pack="Service Pack 3"),
    System("2k3", (5, 2), 3790, "Microsoft Windows Server 2003", None, "Server", arch=X86,
           storage="symmpi", nic="e1000", pack="Service Pack 2"),
    System("2k3-x64", (5, 2), 3790, "Microsoft Windows Server 2003 R2", None, "Server",
           storage="symmpi", nic="e1000", pack="Service Pack 2"),
    System("2k8", (6, 0), 6002, "Windows Server (R) 2008 Standard", "ServerStandard", "Server",
           storage="megasas", nic="e1express", pack="Service Pack 2"),
    System("w7", (6, 1), 7601, "Windows 7 Professional", "Professional", revision=24214,
           pack="Service Pack 1"),
    System("w7-x86", (6, 1), 7601, "Windows 7 Professional", "Professional", arch=X86,
           storage="atapi", revision=24214, pack="Service Pack 1"),
    System("2k8r2", (6, 1), 7601, "Windows Server 2008 R2 Standard", "ServerStandard", "Server",
           storage="megasas", revision=24214, pack="Service Pack 1"),
    System("2k12", (6, 2), 9200, "Windows Server 2012 Standard", "ServerStandard", "Server",
           storage="megasas2"),
    System("2k12r2", (6, 3), 9600, "Windows Server 2012 R2 Standard", "ServerStandard", "Server",
           storage="megasas2", revision=20778),
    System("w10", (10, 0), 19045, "Windows 10 Pro", "Professional", firmware=UEFI,
           storage="storahci", nic="e1dexpress", revision=4412, release="22H2"),
    System("w10-x86", (10, 0), 19045, "Windows 10 Pro", "Professional", arch=X86,
           storage="storahci", nic="e1dexpress", revision=4412, release="22H2"),
    System("2k16", (10, 0), 14393, "Windows Server 2016 Standard", "ServerStandard", "Server",
           storage="megasas2", nic="e1dexpress", revision=6796, release="1607"),
    System("2k19", (10, 0), 17763, "Windows Server 2019 Standard", "ServerStandard", "Server",
           firmware=UEFI, storage="megasas35i", nic="e1dexpress", revision=5696, release="1809"),
    System("2k22", (10, 0), 20348, "Windows Server 2022 Datacenter", "ServerDatacenter", "Server",
           firmware=UEFI, storage="megasas35i", nic="e1dexpress", revision=2402, release="21H2"),
    System("w11", (10, 0), 22631, "Windows 10 Pro", "Professional", firmware=UEFI,
           storage="stornvme", nic="e1dexpress", revision=3447, release="23H2"),
    System("2k25", (10, 0), 26100, "Windows Server 2025 Standard", "ServerStandard", "Server Core",
           firmware=UEFI, storage="stornvme", nic="e1dexpress", revision=1742, release="24H2"),
]}


class Card:
    """A network card and what is set for it."""

    def __init__(self, number, mac, name, addresses=(), gateway="", dns="", bus=0):
        self.guid = f"{{5E2A1C34-000{number}-4D2B-9F10-0C0FFEE0000{number}}}"
        self.number, self.mac, self.name, self.bus = number, mac, name, bus
        self.addresses, self.gateway, self.dns = addresses, gateway, dns

    @property
    def instance(self):
        return f"PCI\\VEN_8086&DEV_10D3&SUBSYS_A01F8086&REV_00\\4&1A2B3C4D&0&00{self.bus:02X}"


def cards(system):
    """Servers: one card with two addresses, one by DHCP. Others: one by DHCP."""
    if not system.server:
        return [Card(1, "00:1b:21:aa:00:01", "Local Area Connection", bus=0x19)]
    return [Card(1, "00:1b:21:aa:00:01", "Local Area Connection" if system.old else "Ethernet",
                 [("192.0.2.10", "255.255.255.0"), ("192.0.2.11", "255.255.255.0")], "192.0.2.1",
                 "192.0.2.53,198.51.100.53", 0x19),
            Card(2, "00:1b:21:aa:00:02", "Local Area Connection 2" if system.old else "Ethernet 2",
                 bus=0x1A)]


def service(h, ccs, name, start, group=None, override=False, **more):
    """A kernel driver's service."""
    key = f"{ccs}\\Services\\{name}"
    values = {"Type": 1, "Start": start, "ErrorControl": 1,
              "ImagePath": Expand(f"System32\\drivers\\{name}.sys")}
    if group:
        values["Group"] = group
    h.set(key, {**values, **more})
    if override:
        h.set(f"{key}\\StartOverride", {"0": 3})


PORTS = "SCSI miniport"


def boot_drivers(s, h, ccs):
    """The drivers that Windows brings; from 8 on what the machine does not need is held back."""
    service(h, ccs, "disk", 0)
    service(h, ccs, "pci", 0, "System Bus Extender" if s.old else "Boot Bus Extender")
    service(h, ccs, "partmgr", 0, "Boot Bus Extender")
    service(h, ccs, "ftdisk" if s.old else "volmgr", 0, "System Bus Extender")
    service(h, ccs, "intelppm", 1 if s.old else 3, "Extended Base")
    inbox = {"atapi": PORTS, "intelide": "System Bus Extender", "pciide": "System Bus Extender"}
    if s.old:
        for name, group in inbox.items():
            service(h, ccs, name, 0 if s.storage == "atapi" else 4, group)
        return
    inbox["storahci" if s.database else "msahci"] = PORTS
    if s.version >= (6, 3):
        inbox["stornvme"] = PORTS
    if s.database:
        service(h, ccs, "vpci", 0, "System Bus Extender", override=True)
    for name, group in inbox.items():
        used = name == s.storage or (s.storage == "atapi" and name in ("intelide", "pciide"))
        held = s.database and not used
        service(h, ccs, name, 0 if used or s.database else 3, group, override=held)


def services(s, h, ccs):
    boot_drivers(s, h, ccs)
    if s.storage not in ("atapi", "msahci", "storahci", "stornvme"):
        service(h, ccs, s.storage, 0, PORTS, Tag=0x21)
        h.key(f"{ccs}\\Services\\{s.storage}\\Parameters", BusType=10)
    service(h, ccs, s.nic, 3, "NDIS")
    service(h, ccs, "Ntfs", 4 if s.old else 3, "Boot File System")
    h.key(f"{ccs}\\Services\\partmgr\\Parameters")
    if s.server and not s.old:
        h.key(f"{ccs}\\Services\\partmgr\\Parameters", SanPolicy=2)
    h.key(f"{ccs}\\Services\\Eventlog", Type=0x20, Start=2, ErrorControl=1,
          ImagePath=Expand("%SystemRoot%\\system32\\services.exe"), ObjectName="LocalSystem")
    h.key(f"{ccs}\\Services\\PlugPlay", Type=0x20, Start=2, ErrorControl=1,
          ImagePath=Expand("%SystemRoot%\\system32\\services.exe"), ObjectName="LocalSystem")
    h.key(f"{ccs}\\Services\\PlugPlay\\Parameters")


def bind(h, ccs, s, card):
    """One adapter: what it is, where it hangs, what is set."""
    cls = f"{ccs}\\Control\\Class\\{NET}\\{card.number:04d}"
    device = "PCI\\VEN_8086&DEV_10D3"
    h.key(cls, DriverDesc="Intel(R) 82574L Gigabit Network Connection", ProviderName="Intel",
          NetCfgInstanceId=card.guid, MatchingDeviceId=device.lower(), Characteristics=0x84,
          ComponentId=device.lower())
    h.key(f"{cls}\\Linkage", Export=[f"\\Device\\{card.guid}"], RootDevice=[card.guid])
    h.key(f"{ccs}\\Enum\\{card.instance}", ClassGUID=NET, Class="Net", Service=s.nic,
          Driver=f"{NET}\\{card.number:04d}", HardwareID=[device + "&SUBSYS_A01F8086", device],
          LocationInformation=f"PCI bus {card.bus}, device 0, function 0", ConfigFlags=0,
          Capabilities=0)
    h.key(f"{ccs}\\Control\\Network\\{NET.upper()}\\{card.guid}\\Connection", Name=card.name,
          PnpInstanceID=card.instance, ShowIcon=0)
    if s.version >= (10, 0):
        mac = bytes.fromhex(card.mac.replace(":", ""))
        h.key(f"{ccs}\\Control\\NetworkSetup2\\Interfaces\\{card.guid}\\Kernel", IfAlias=card.name,
              CurrentAddress=mac, PermanentAddress=mac, IfType=6)
    set_addresses(h, f"{ccs}\\Services\\Tcpip\\Parameters\\Interfaces\\{card.guid}", card)
    h.key(f"{ccs}\\Services\\NetBT\\Parameters\\Interfaces\\Tcpip_{card.guid}", NameServerList=[],
          NetbiosOptions=0)


def set_addresses(h, key, card):
    if card.addresses:
        h.key(key, EnableDHCP=0, IPAddress=[a for a, _ in card.addresses],
              SubnetMask=[m for _, m in card.addresses], DefaultGateway=[card.gateway],
              DefaultGatewayMetric=["0"], NameServer=card.dns, Domain="example.test",
              RegistrationEnabled=1)
    else:
        h.key(key, EnableDHCP=1, IPAddress=["0.0.0.0"], SubnetMask=["0.0.0.0"], NameServer="",
              DhcpIPAddress="203.0.113.7", DhcpSubnetMask="255.255.255.0",
              DhcpServer="203.0.113.1", Domain="")


def network(s, h, ccs):
    h.key(f"{ccs}\\Services\\Tcpip\\Parameters", Hostname="WEB01", Domain="example.test",
          SearchList="", IPEnableRouter=0)
    h.set(f"{ccs}\\Services\\Tcpip\\Parameters", {"NV Hostname": "WEB01"})
    h.key(f"{ccs}\\Control\\Network\\{NET.upper()}\\Descriptions")
    for card in cards(s):
        bind(h, ccs, s, card)
    if s.server:
        h.set(f"{ccs}\\Services\\Tcpip\\Parameters\\PersistentRoutes",
              {"198.51.100.0,255.255.255.0,192.0.2.254,1": ""})
    # An adapter of Windows' own, which hangs on no bus.
    guid = "{5E2A1C34-0009-4D2B-9F10-0C0FFEE00009}"
    h.key(f"{ccs}\\Control\\Network\\{NET.upper()}\\{guid}\\Connection", Name="isatap.example.test",
          PnpInstanceID="ROOT\\*ISATAP\\0000")


def classes(s, h, ccs):
    for guid, name in CLASSES.items():
        h.set(f"{ccs}\\Control\\Class\\{guid}", {"Class": name, "": name})
    h.key(f"{ccs}\\Control\\Class\\{DISK}", UpperFilters=["PartMgr"])
    h.key(f"{ccs}\\Control\\Class\\{VOLUME}", UpperFilters=["volsnap"])
    if not s.old:
        h.key(f"{ccs}\\Control\\Class\\{VOLUME}", LowerFilters=["fvevol", "rdyboost"])


def critical_devices(s, h, ccs):
    """Up to Windows 7: which driver a device has that a boot needs."""
    known = {"gendisk": ("disk", DISK), "primary_ide_channel": ("atapi", HDC),
             "secondary_ide_channel": ("atapi", HDC), "*pnp0600": ("atapi", HDC)}
    if not s.old:
        known.update({"pci#cc_0106": ("msahci", HDC), "pci#cc_0101": ("pciide", HDC)})
    elif s.storage == "atapi":
        known["pci#ven_8086&dev_27df"] = ("intelide", HDC)
    for device, (driver, guid) in known.items():
        h.key(f"{ccs}\\Control\\CriticalDeviceDatabase\\{device}", Service=driver, ClassGUID=guid)


def control(s, h, ccs):
    c = f"{ccs}\\Control"
    h.key(c, CurrentUser="USERNAME", SystemBootDevice="multi(0)disk(0)rdisk(0)partition(2)",
          SystemStartOptions="NOEXECUTE=OPTIN", WaitToKillServiceTimeout="20000")
    h.key(f"{c}\\ComputerName\\ComputerName", ComputerName="WEB01")
    h.key(f"{c}\\ProductOptions", ProductType="ServerNT" if s.server else "WinNT",
          ProductSuite=["Terminal Server"])
    h.key(f"{c}\\Session Manager", BootExecute=["autocheck autochk *"], ProtectionMode=1)
    h.key(f"{c}\\Session Manager\\Environment", NUMBER_OF_PROCESSORS="8",
          PROCESSOR_ARCHITECTURE="AMD64" if s.arch == AMD64 else "x86", OS="Windows_NT",
          ComSpec=Expand("%SystemRoot%\\system32\\cmd.exe"))
    h.key(f"{c}\\Session Manager\\Power")
    if s.version >= (6, 2):
        h.key(f"{c}\\Session Manager\\Power", HiberbootEnabled=0)
    h.key(f"{c}\\TimeZoneInformation", Bias=0xFFFFFFC4, StandardName="W. Europe Standard Time",
          ActiveTimeBias=0xFFFFFFC4)
    h.key(f"{c}\\CrashControl", AutoReboot=1, CrashDumpEnabled=2,
          DumpFile=Expand("%SystemRoot%\\MEMORY.DMP"))
    h.key(f"{c}\\SafeBoot\\Minimal\\{SCSI.upper()}")
    if s.version >= (6, 0):
        h.key(f"{c}\\SystemInformation", SystemManufacturer="Dell Inc.",
              SystemProductName="PowerEdge R340")


def enum(s, h, ccs):
    storage = {"atapi": ("PCI\\VEN_8086&DEV_27DF&SUBSYS_01AD1028&REV_01\\3&13C0B0C5&0&F9", HDC),
               "stornvme": ("PCI\\VEN_144D&DEV_A808&SUBSYS_A801144D&REV_00\\4&5E2A&0&00E0", SCSI),
               }.get(s.storage, ("PCI\\VEN_1000&DEV_005D&SUBSYS_1F491028&REV_02\\4&2A1B&0&0008",
                                 HDC if s.storage in ("msahci", "storahci") else SCSI))
    h.key(f"{ccs}\\Enum\\{storage[0]}", Service=s.storage, ClassGUID=storage[1], ConfigFlags=0,
          Driver=f"{storage[1]}\\0000", HardwareID=[storage[0].rpartition("\\")[0]])
    h.key(f"{ccs}\\Control\\Class\\{storage[1]}\\0000", DriverDesc="Its controller")
    if s.old:
        h.key(f"{ccs}\\Enum\\Root\\ACPI_HAL\\0000", HardwareID=["acpiapic_mp"], Service="\\Driver\\ACPI_HAL",
              ClassGUID=COMPUTER, Driver=f"{COMPUTER}\\0000", ConfigFlags=0)
    h.key(f"{ccs}\\Hardware Profiles\\0001", FriendlyName="Profile 1")


def blob(class_guid_le, arch):
    """A package's Version, as an inbox one has it."""
    return bytes.fromhex("fffe") + bytes([9 if arch == AMD64 else 0, 0, 0, 0, 0, 0]) + \
        class_guid_le + struct.pack("<QHHHHQ", 0x01C6_F1B2_8F7A_0000, 1, 0, 0, 10, 0)


def database(s, h, packages):
    """DriverDatabase: packages as [(inf, class, {service: ids})]."""
    top = "DriverDatabase"
    h.key(top, Version=0x0A000000, Architecture=9 if s.arch == AMD64 else 0, OemInfMap=b"\x80",
          SystemRoot=Expand("%SystemRoot%"))
    for i, (inf, guid, drivers) in enumerate(packages):
        label = f"{inf}_{s.arch}_{0x0123456789ABCDEF ^ i * 0x1111:016x}"
        package = f"{top}\\DriverPackages\\{label}"
        h.set(f"{top}\\DriverInfFiles\\{inf}",
              {"": [label], "Active": label, "Configurations": [d + "_inst" for d in drivers]})
        h.set(package, {"": inf, "InfName": inf, "Provider": "Microsoft",
                        "SignerScore": 0x0D000003, "StatusFlags": 0x12,
                        "Version": blob(uuid.UUID(guid).bytes_le, s.arch)})
        h.set(f"{top}\\DeviceIds\\{guid}", {inf: None})
        for driver, ids in drivers.items():
            h.key(f"{package}\\Configurations\\{driver}_inst", ConfigFlags=0, ConfigScope=7,
                  Service=driver)
            for device in ids:
                h.set(f"{top}\\DeviceIds\\{device}", {inf: bytes.fromhex("0fff0000")})
                h.key(f"{package}\\Descriptors\\{device}", Configuration=driver + "_inst")


def system_hive(s, disk):
    """SYSTEM. disk: what MountedDevices says of C:"""
    h = Hive()
    sets = ["ControlSet001"] if s.database else ["ControlSet001", "ControlSet002"]
    h.key("Select", Current=1, Default=1, Failed=0, LastKnownGood=len(sets))
    h.key("Setup", SystemSetupInProgress=0, SetupType=0, CmdLine="", SystemPartition=
          "\\Device\\HarddiskVolume1", OsLoaderPath="\\")
    if not s.old:
        h.key("Setup", OOBEInProgress=0, SetupPhase=0)
    h.set("MountedDevices", {"\\DosDevices\\C:": disk})
    for ccs in sets:
        for part in (control, classes, services, enum, network):
            part(s, h, ccs)
        if not s.database:
            critical_devices(s, h, ccs)
    if s.database:
        packages = [("mshdc.inf", HDC, {"storahci": ["PCI\\CC_0106"], "pciide": ["PCI\\CC_0101"]}),
                    ("disk.inf", DISK, {"disk": ["GenDisk"]})]
        if s.version >= (6, 3):
            packages.append(("stornvme.inf", SCSI, {"stornvme": ["PCI\\CC_010802"]}))
        database(s, h, packages)
    return h


def software_hive(s):
    h = Hive()
    key = "Microsoft\\Windows NT\\CurrentVersion"
    shown = "6.3" if s.version >= (10, 0) else "%d.%d" % s.version
    lab = f"{s.build}.{s.revision or 1}.{s.arch}fre.release.240101-0000"
    h.key(key, ProductName=s.product, CurrentVersion=shown, CurrentBuildNumber=str(s.build),
          CurrentBuild="1.511.1 () (Obsolete data - do not use)" if s.old else str(s.build),
          BuildLabEx=lab, SystemRoot=f"C:\\{s.directory}", CurrentType="Multiprocessor Free",
          PathName=f"C:\\{s.directory}", RegisteredOwner="Owner")
    if s.pack:
        h.key(key, CSDVersion=s.pack)
    if not s.old:
        h.key(key, EditionID=s.edition, InstallationType=s.kind)
    if s.version >= (10, 0):
        h.key(key, CurrentMajorVersionNumber=10, CurrentMinorVersionNumber=0, UBR=s.revision,
              ReleaseId="2009" if s.build >= 19041 else s.release)
        if s.build >= 19042:
            h.key(key, DisplayVersion=s.release)
    current = "Microsoft\\Windows\\CurrentVersion"
    h.key(current, DevicePath=Expand("%SystemRoot%\\inf"), ProgramFilesDir="C:\\Program Files",
          CommonFilesDir="C:\\Program Files\\Common Files")
    h.key(f"{current}\\Run")
    h.key(f"{current}\\RunOnce")
    h.key(f"{current}\\Uninstall\\Notepad2", DisplayName="Notepad2", Publisher="Somebody")
    h.key(f"{current}\\Setup\\PnpLockdownFiles")
    h.key("Microsoft\\Cryptography", MachineGuid="0f1e2d3c-0000-4c5c-9f5a-000000000001")
    h.key("Policies\\Microsoft\\Windows")
    h.key("Classes\\.txt", PerceivedType="text")
    if s.arch == AMD64:
        h.key("WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall")
    if s.old:
        h.set("Microsoft\\Driver Signing", {"Policy": b"\1"})
    return h


def drivers_hive(s):
    """DRIVERS, from 8 on: the packages that a boot does not need."""
    h = Hive()
    database(s, h, [("nete1g3e.inf", NET, {s.nic: ["PCI\\VEN_8086&DEV_10D3"]})])
    return h


def other_hive(name):
    h = Hive()
    if name == "SAM":
        h.set("SAM\\Domains\\Account", {"F": bytes(240)})
        h.set("SAM\\Domains\\Account\\Users\\Names\\Administrator", {"": Typed((0x1F4, b""))})
    elif name == "SECURITY":
        h.set("Policy\\PolEKList", {"": bytes(128)})
    else:
        h.key("Control Panel\\Desktop", Wallpaper="")
    return h


def hives(s, disk):
    """Name in System32/config: Hive."""
    out = {"SYSTEM": system_hive(s, disk), "SOFTWARE": software_hive(s)}
    if s.database:
        out["DRIVERS"] = drivers_hive(s)
    for name in ("SAM", "SECURITY", "DEFAULT"):
        out[name] = other_hive(name)
    return out


# ---- what may be the matter with it ----

SERVICING = "Microsoft\\Windows\\CurrentVersion\\Component Based Servicing"


def control_sets(s):
    return ["ControlSet001"] if s.database else ["ControlSet001", "ControlSet002"]


def be_pending(s, h):
    h["SOFTWARE"].key(f"{SERVICING}\\RebootPending")
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Control\\Session Manager",
                        PendingFileRenameOperations=["\\??\\C:\\Windows\\Temp\\x", "!"])


def be_domain_controller(s, h):
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Control\\ProductOptions", ProductType="LanmanNT")


def be_cluster(s, h):
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Services\\ClusSvc", Type=0x10, Start=2, ErrorControl=1)


def run_machines(s, h):
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Services\\vmms", Type=0x10, Start=2, ErrorControl=1)


def have_filters(s, h):
    """A multipath driver above the disks, a RAID tool's below, a backup's that is to stay."""
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Control\\Class\\{DISK}", UpperFilters=["PartMgr", "emcpbase"],
                        LowerFilters=["hpdskflt", "snapman"])
        for name in ("emcpbase", "hpdskflt", "snapman"):
            service(h["SYSTEM"], ccs, name, 0, "PnP Filter")


def have_agents(s, h):
    for ccs in control_sets(s):
        for name in ("CqMgHost", "Cissesrv", "MSMFramework"):
            h["SYSTEM"].key(f"{ccs}\\Services\\{name}", Type=0x10, Start=2, ErrorControl=1,
                            ImagePath=f"\"C:\\Program Files\\Vendor\\{name}.exe\"",
                            ObjectName="LocalSystem", DisplayName=name)


def be_restricted(s, h):
    rest = "Policies\\Microsoft\\Windows\\DeviceInstall\\Restrictions"
    h["SOFTWARE"].key(rest, DenyUnspecified=1)
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\{rest}", DenyUnspecified=1)


def have_antivirus(_, h):
    h["SOFTWARE"].key("Microsoft\\Windows\\CurrentVersion\\Uninstall\\{5E2A1C34}",
                      DisplayName="Sophos Endpoint Agent", Publisher="Sophos")


def keep_utc(s, h):
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Control\\TimeZoneInformation", RealTimeIsUniversal=1)


def lose_version(_, h):
    del h["SOFTWARE"].keys["Microsoft\\Windows NT\\CurrentVersion"]


def team_up(s, h):
    """The address is the team's, which is made of both cards."""
    guid = "{5E2A1C34-0008-4D2B-9F10-0C0FFEE00008}"
    team = Card(8, "00:1b:21:aa:00:01", "TEAM: Team 1", [("192.0.2.20", "255.255.255.0")],
                "192.0.2.1", "192.0.2.53")
    team.guid = guid
    for ccs in control_sets(s):
        for card in cards(s):
            key = f"{ccs}\\Services\\Tcpip\\Parameters\\Interfaces\\{card.guid}"
            h["SYSTEM"].keys.pop(key, None)
        h["SYSTEM"].key(f"{ccs}\\Control\\Network\\{NET.upper()}\\{guid}\\Connection",
                        Name=team.name, PnpInstanceID="COMPOSITEBUS\\MS_IMPLAT_MP\\{5E2A1C34}" if s.database else
                        "ROOT\\IANSMINIPORT\\0000")
        h["SYSTEM"].key(f"{ccs}\\Services\\{'NdisImPlatform' if s.database else 'iANSProtocol'}\\Linkage",
                        Bind=[f"\\Device\\{card.guid}" for card in reversed(cards(s))])
        if s.version >= (10, 0):
            mac = bytes.fromhex(team.mac.replace(":", ""))
            h["SYSTEM"].key(f"{ccs}\\Control\\NetworkSetup2\\Interfaces\\{guid}\\Kernel",
                            IfAlias=team.name, CurrentAddress=mac, PermanentAddress=mac)
        set_addresses(h["SYSTEM"], f"{ccs}\\Services\\Tcpip\\Parameters\\Interfaces\\{guid}", team)


def luid(card):
    """What the network store calls it: 24 bits of nothing, 24 of index, 16 of type (Ethernet)."""
    return bytes(3) + struct.pack("<I", 0x100 + card.number)[:3] + struct.pack("<H", 6)


def have_ipv6(s, h):
    """Addresses of the first card, in the lists of the network store."""
    card = cards(s)[0]
    ones = b"\xff"
    for ccs in control_sets(s):
        store = f"{ccs}\\Control\\Nsi\\{{eb004a01-9b1a-11d4-9123-0050047759bc}}"
        h["SYSTEM"].set(f"{ccs}\\Control\\Class\\{NET}\\{card.number:04d}",
                        {"NetLuidIndex": 0x100 + card.number, "*IfType": 6})
        for text, bits in (("2001:db8::10", 64), ("2001:db8:1::10", 48), ("fe80::10", 64)):
            name = luid(card) + ipaddress.ip_address(text).packed
            h["SYSTEM"].set(f"{store}\\10", {name.hex(): ones * 8 + bytes(8) + bytes([bits]) + ones * 31})
        another = bytes(3) + b"\x07\0\0\x06\0" + ipaddress.ip_address("2001:db8:9::9").packed
        h["SYSTEM"].set(f"{store}\\10", {another.hex(): ones * 16 + b"\x40" + ones * 31})
        hop = ipaddress.ip_address("2001:db8::1").packed
        h["SYSTEM"].set(f"{store}\\16", {(bytes(40) + luid(card) * 2 + hop).hex(): ones * 48})
        h["SYSTEM"].key(f"{ccs}\\Services\\Tcpip6\\Parameters\\Interfaces\\{card.guid}",
                        NameServer="2001:db8::53,2001:db8::54")


def have_wins(s, h):
    card = cards(s)[0]
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Services\\NetBT\\Parameters\\Interfaces\\Tcpip_{card.guid}",
                        NameServerList=["192.0.2.60", "192.0.2.61"], NetbiosOptions=1)


def have_bus_drivers(s, h):
    """Cards of Broadcom: the device on the PCI bus is a bus itself, and the card hangs on that."""
    for ccs in control_sets(s):
        for card in cards(s):
            prefix = f"5&2CEBB3C{card.number}&0"
            child = f"B06BDRV\\L2ND&PCI_163914E4&SUBSYS_02361028&REV_20\\{prefix}&2005030{card.number}"
            values = h["SYSTEM"].keys.pop(f"{ccs}\\Enum\\{card.instance}")
            h["SYSTEM"].set(f"{ccs}\\Enum\\{child}", {**values, "LocationInformation": "on the bus of the card"})
            h["SYSTEM"].key(f"{ccs}\\Enum\\PCI\\VEN_14E4&DEV_1639&SUBSYS_02361028&REV_20\\4&1E3E6E8B&0&000{card.number}",
                            Service="b06bdrv", ParentIdPrefix=prefix.lower(),
                            LocationInformation="@System32\\drivers\\pci.sys,#65536;PCI bus %1, device %2, function %3;"
                            f"({card.bus},0,0)")
            h["SYSTEM"].key(f"{ccs}\\Control\\Network\\{NET.upper()}\\{card.guid}\\Connection", PnpInstanceID=child)


def have_ways(s, h):
    """What is set for the first card beside its addresses."""
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Services\\Tcpip\\Parameters\\Interfaces\\{cards(s)[0].guid}", InterfaceMetric=20, MTU=9000,
                        DefaultGateway=["192.0.2.1", "192.0.2.2", "192.0.2.3"], DefaultGatewayMetric=["0", "1", "2"])


def have_ghost(s, h):
    """The card that was in the first one's slot before it: Windows forgets none."""
    ghost = Card(7, "00:1b:21:aa:00:07", "Ethernet 7", [("192.0.2.10", "255.255.255.0"), ("192.0.2.70", "255.255.255.0")], bus=0x19)
    for ccs in control_sets(s):
        real = cards(s)[0].instance
        ghost_key = f"{ccs}\\Enum\\{real.replace('DEV_10D3', 'DEV_10C9')}"
        bind(h["SYSTEM"], ccs, s, ghost)
        h["SYSTEM"].key(ghost_key, LocationInformation="PCI bus 25, device 0, function 0", Service="e1q")
        h["SYSTEM"].key(f"{ccs}\\Control\\Network\\{NET.upper()}\\{ghost.guid}\\Connection",
                        PnpInstanceID=ghost_key.partition("Enum\\")[2])


def be_strict(s, h):
    """About who has signed a driver."""
    if s.old:
        h["SOFTWARE"].set("Microsoft\\Driver Signing", {"Policy": b"\2"})
    for ccs in control_sets(s):
        h["SYSTEM"].key(f"{ccs}\\Control\\DeviceGuard\\Scenarios\\HypervisorEnforcedCodeIntegrity", Enabled=1)


def know_no_ide(s, h):
    for ccs in control_sets(s):
        for name in ("atapi", "intelide", "pciide"):
            h["SYSTEM"].keys.pop(f"{ccs}\\Services\\{name}", None)


FEATURES = {
    "scsi-only": know_no_ide,
    "strict": be_strict, "bus-drivers": have_bus_drivers, "ghost": have_ghost,
    "ways": have_ways,
    "ipv6": have_ipv6, "wins": have_wins,
    "pending": be_pending, "domain-controller": be_domain_controller, "cluster": be_cluster, "hyperv": run_machines,
    "filters": have_filters, "agents": have_agents, "restricted": be_restricted,
    "no-version": lose_version, "antivirus": have_antivirus, "utc": keep_utc, "team": team_up,
}
