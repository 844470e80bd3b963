# SPDX-License-Identifier: AGPL-3.0-or-later
"""Words about coming in and about who may: addresses, accounts, audit; see edge.console.texts."""

from __future__ import annotations

# key: (zh, en)
ACCESS_TEXTS: dict[str, tuple[str, str]] = {
    "reviewer": ("审核员", "reviewer"),
    "auditor": ("审计员", "auditor"),
    "role_viewer_may": ("只看", "looks only"),
    "role_reviewer_may": ("看，并审核案件", "looks and reviews cases"),
    "role_auditor_may": (
        "看，并查账号和操作记录",
        "looks, also at the accounts and the record of what was done",
    ),
    "role_installer_may": ("全部：审核、设置、账号", "everything: review, setup, accounts"),
    "not_your_role": (
        "您的角色（{role}）不能做这一步。请安装员来做，或请安装员在“设置 → 账号”里改您的角色。",
        "Your role ({role}) may not do this. Ask an installer to do it, or to change your role "
        "under Setup, Accounts.",
    ),
    "wrong_old_password": (
        "现在的密码不对：请重打，忘记了请安装员重设",
        "That is not the present password: type it again, or have an installer set a new one",
    ),
    "my_account": ("我的账号", "My account"),
    "change_password": ("修改密码", "Change the password"),
    "old_password": ("现在的密码", "Present password"),
    "password_changed": (
        "密码已修改，这个账号在其他设备上的登录已退出",
        "The password is changed; other devices of this account are logged out",
    ),
    "lost_password": ("忘记密码？", "Lost the password?"),
    "recover": ("用设备激活码设置新密码", "Set a new password with a code from the box"),
    "recover_how": (
        "在设备上运行 edge code --new，会显示一个激活码，一小时内有效。用它设置的账号是安装员。",
        "Run edge code --new on the box: it shows a code that counts for an hour. The account that "
        "is set with it is an installer's.",
    ),
    "recover_name": ("用户名（原有的或新的）", "Name (the old one or a new one)"),
    "locked_out": (
        "不想等：换一个账号登录，或用设备上的激活码设置新密码。",
        "Rather than wait: log in with another account, or set a new password with a code from "
        "the box.",
    ),
    "change": ("修改", "Change"),
    "role_changed": ("角色", "Role"),
    "tab_access": ("连接手机", "Phones"),
    "access_about": (
        "手机与设备接入同一网络（同一 Wi-Fi 或热点），用相机扫码打开本页。",
        "With the phone in the same network (Wi-Fi or hotspot), point its camera at this.",
    ),
    "access_other": ("也可输入下列地址", "Or type one of these"),
    "access_certificate": ("证书指纹", "Fingerprint of the certificate"),
    "access_certificate_about": (
        "设备自制证书，浏览器首次会提示“不安全”。在提示页查看证书，SHA-256 指纹与下面（以及 "
        "edge code 显示的）一致才继续。",
        "The box makes its certificate itself, so a browser warns the first time. Look at the "
        "certificate in that warning and go on only if its SHA-256 is the one below, which edge "
        "code shows too.",
    ),
    "access_words": ("便于口头核对", "To read aloud"),
    "access_plain": (
        "本页只在设备本机打开（未加密）。要让手机打开，在设备文件里把 console.host 设为 0.0.0.0。",
        "This page is open on the box only, without encryption. For phones set console.host to "
        "0.0.0.0 in the device file.",
    ),
    "access_install": (
        "放到手机桌面：浏览器菜单 →“添加到主屏幕”。",
        "On the home screen: the browser's menu, “Add to home screen”.",
    ),
    "tab_audit": ("操作记录", "Record"),
    "audit_about": ("谁在什么时候做了什么，最新的在前", "Who did what and when, newest first"),
    "audit_who": ("谁", "Who"),
    "audit_what": ("做了什么", "What"),
    "audit_when": ("时间", "When"),
    "audit_none": ("还没有记录", "Nothing is recorded yet"),
    "audit_from": ("来自", "from"),
    "did_first account": ("用激活码建立第一个账号", "made the first account with the code"),
    "did_recovered": ("用激活码设置新密码", "set a new password with the code"),
    "did_labelled": ("标注画面", "labelled a crop"),
    "did_logged in": ("登录", "logged in"),
    "did_wrong_login": ("登录失败：用户名或密码不对", "wrong name or password"),
    "did_wrong_code": ("激活码不对", "wrong code"),
    "did_wrong_old_password": ("修改密码失败：现在的密码不对", "wrong present password"),
    "did_bad_name": ("用户名不合要求", "a name that cannot be"),
    "did_bad_password": ("密码不合要求", "a password that cannot be"),
    "did_account added": ("添加账号", "added an account"),
    "did_account removed": ("删除账号", "removed an account"),
    "did_role changed": ("修改角色", "changed a role"),
    "did_password set": ("为他人设置密码", "set somebody's password"),
    "did_password changed": ("修改自己的密码", "changed the own password"),
    "did_configuration": ("修改配置", "changed the configuration"),
    "did_rolled back": ("恢复旧版本配置", "rolled the configuration back"),
    "did_other": ("{what}", "{what}"),
}
