<#
.SYNOPSIS
Registers m365stage in a tenant: one app that may read, for backups, and one that may write, for restores.

.DESCRIPTION
As register.sh, by PowerShell 7.4 and the module Microsoft.Graph.Applications, on any system. Each app gets a certificate of its
own, whose key stays in Folder; Microsoft gets the public part alone. Run again, it adds what is missing.
Follows Microsoft's documentation; it could not be run against a real tenant by those who wrote it.

.EXAMPLE
./register.ps1 -TenantId contoso.onmicrosoft.com -Kinds onedrive, mail -Folder ./credentials
#>
#Requires -Version 7.4
#Requires -Modules Microsoft.Graph.Authentication, Microsoft.Graph.Applications
param(
    [Parameter(Mandatory)] [string] $TenantId,
    [string[]] $Kinds = @('onedrive', 'sharepoint', 'groups', 'mail', 'calendar', 'contacts', 'tasks'),
    [switch] $NoRestore,
    [string] $Folder = 'credentials'
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$graphAppId = '00000003-0000-0000-c000-000000000000' # Microsoft Graph itself, the same in every tenant

# Permissions by kind, of the table that register.sh reads too.
$table = @{}
foreach ($line in Get-Content (Join-Path $PSScriptRoot 'permissions.tsv') | Where-Object { $_ -notmatch '^#' }) {
    $kind, $backup, $restore = $line -split "`t"
    $table[$kind] = @{ backup = $backup -split ' '; restore = $restore -split ' ' }
}
foreach ($kind in $Kinds) {
    if (-not $table.ContainsKey($kind)) { throw "There is no kind '$kind'; there are $($table.Keys -join ', ')" }
}

# Certificate and key in FILE.pem, for this user alone; the certificate is returned.
function Get-OwnCertificate([string] $Path) {
    if (Test-Path "$Path.pem") {
        return [Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPemFile("$Path.pem")
    }
    $key = [Security.Cryptography.RSA]::Create(3072)
    $request = [Security.Cryptography.X509Certificates.CertificateRequest]::new(
        'CN=m365stage', $key, [Security.Cryptography.HashAlgorithmName]::SHA256,
        [Security.Cryptography.RSASignaturePadding]::Pkcs1)
    $now = [DateTimeOffset]::UtcNow
    $certificate = $request.CreateSelfSigned($now.AddMinutes(-5), $now.AddYears(1))
    New-Item -ItemType File -Path "$Path.pem" | Out-Null
    if (-not $IsWindows) { [IO.File]::SetUnixFileMode("$Path.pem", 'UserRead, UserWrite') }
    Set-Content -Path "$Path.pem" -Value $certificate.ExportCertificatePem(), $key.ExportPkcs8PrivateKeyPem()
    return $certificate
}

# An app with the permissions of all kinds, granted for the whole tenant; its id is returned.
function Register-App([string] $Name, [string] $File, [string] $Side) {
    $certificate = Get-OwnCertificate (Join-Path $Folder $File)
    $credential = @{ Type = 'AsymmetricX509Cert'; Usage = 'Verify'; Key = $certificate.RawData; DisplayName = "CN=$Name" }
    $roles = foreach ($permission in $Kinds | ForEach-Object { $table[$_][$Side] } | Sort-Object -Unique) {
        $role = $graph.AppRoles | Where-Object { $_.Value -eq $permission -and $_.AllowedMemberTypes -contains 'Application' }
        if (-not $role) { throw "Microsoft Graph has no permission $permission" }
        $role
    }
    $wanted = @{
        DisplayName            = $Name
        SignInAudience         = 'AzureADMyOrg'
        KeyCredentials         = @($credential)
        RequiredResourceAccess = @(@{
                ResourceAppId  = $graphAppId
                ResourceAccess = @($roles | ForEach-Object { @{ Id = $_.Id; Type = 'Role' } })
            })
    }
    $app = Get-MgApplication -Filter "displayName eq '$Name'" | Select-Object -First 1
    if ($app) { Update-MgApplication -ApplicationId $app.Id -BodyParameter $wanted }
    else { $app = New-MgApplication -BodyParameter $wanted }
    $principal = Get-MgServicePrincipal -Filter "appId eq '$($app.AppId)'"
    if (-not $principal) { $principal = New-MgServicePrincipal -AppId $app.AppId }
    $granted = @(Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -All | ForEach-Object AppRoleId)
    foreach ($role in $roles | Where-Object { $_.Id -notin $granted }) {
        New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -PrincipalId $principal.Id `
            -ResourceId $graph.Id -AppRoleId $role.Id | Out-Null
    }
    return $app.AppId
}

New-Item -ItemType Directory -Force -Path $Folder | Out-Null
Connect-MgGraph -TenantId $TenantId -Scopes 'Application.ReadWrite.All', 'AppRoleAssignment.ReadWrite.All' -NoWelcome
$graph = Get-MgServicePrincipal -Filter "appId eq '$graphAppId'"
"app:"
"  client_id: $(Register-App 'm365stage' 'app' 'backup')"
"  certificate_file: `${CREDENTIALS_DIRECTORY}/app.pem"
if (-not $NoRestore) {
    "restore_app:"
    "  client_id: $(Register-App 'm365stage-restore' 'restore' 'restore')"
    "  certificate_file: `${CREDENTIALS_DIRECTORY}/restore.pem"
}
Write-Host "Put these lines into config.yaml, and $Folder/*.pem into /etc/m365stage/credentials/ (chmod 600)."
